"""Real guests with consoles open: nothing listens where others could come in, and nobody is evicted."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from collections.abc import Iterator

import pytest

from deploy.local.domain_xml import Graphics
from tests.e2e.conftest import PEOPLE
from tests.e2e.house import PASSWORD, house
from tests.services.libvirt import LibvirtSandbox
from tests.services.root import as_root

from .conftest import OLIVIA, OSCAR, Estate
from .rfb import Viewer


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory, libvirt_sandbox: LibvirtSandbox) -> Iterator[Estate]:
    """Two guests: as Eve likes them, and one whose display listens on loopback."""
    listening = Graphics(listen="tcp")
    vms = [
        libvirt_sandbox.start_demo("secure-one", wait=False),
        libvirt_sandbox.start_demo("secure-two", wait=False, graphics=(listening,)),
    ]
    with house(tmp_path_factory.mktemp("guests"), libvirt_uri=libvirt_sandbox.uri) as home:
        acme = json.loads(home.shell(PEOPLE % {"password": PASSWORD}).strip().splitlines()[-1])["acme"]
        for vm_id in vms:
            home.manage("vm_adopt", vm_id, "--project", acme)
        yield Estate(home, acme, vms)


def test_no_display_listens_beyond_loopback(guests: Estate, libvirt_sandbox: LibvirtSandbox) -> None:
    viewers = [open_screen(guests, OLIVIA, vm_id) for vm_id in guests.vms]
    pids = {str(libvirt_sandbox.qemu_pid(vm_id)) for vm_id in guests.vms}
    assert listeners(pids) == ["127.0.0.1"], "the one that was made so, and no other"
    agent = listeners({str(guests.home.agent.pid)}) if guests.home.agent else []
    assert agent == ["127.0.0.1"], "the probe sees a listener where there is one"
    for viewer in viewers:
        viewer.close()


def test_an_exclusive_viewer_evicts_nobody(guests: Estate) -> None:
    vm_id = guests.vms[0]
    first = open_screen(guests, OLIVIA, vm_id)
    second = open_screen(guests, OSCAR, vm_id, shared=b"\x00")
    for viewer in (second, first, second):
        assert shows_a_picture(viewer)
    first.close()
    second.close()


def open_screen(guests: Estate, email: str, vm_id: str, *, shared: bytes = b"\x01") -> Viewer:
    """RFC 6143, 7.1 to 7.3: `shared` 0 asks QEMU to end all other viewers."""
    viewer = Viewer(guests.socket_url(vm_id, f"ticket={guests.ticket(email, vm_id)}"))
    assert viewer.read(12) == b"RFB 003.008\n"
    viewer.socket.send(b"RFB 003.008\n")
    kinds = viewer.read(viewer.read(1)[0])
    assert 1 in kinds
    viewer.socket.send(b"\x01")
    assert viewer.read(4) == bytes(4)
    viewer.socket.send(shared)
    (length,) = struct.unpack(">20xI", viewer.read(24))
    viewer.read(length)
    viewer.socket.send(struct.pack(">BBHi", 2, 0, 1, 0))
    return viewer


def shows_a_picture(viewer: Viewer) -> bool:
    """A whole screen, asked for and received."""
    viewer.socket.send(struct.pack(">BBHHHH", 3, 0, 0, 0, 64, 48))
    while True:
        (count,) = struct.unpack(">BxH", viewer.read(4))[1:]
        for _ in range(count):
            _x, _y, width, height, encoding = struct.unpack(">HHHHi", viewer.read(12))
            if encoding != 0:
                return False
            viewer.read(width * height * 4)
        if count:
            return True


def listeners(pids: set[str]) -> list[str]:
    """The addresses on which these processes listen for TCP, on whatever network they have."""
    rows = []
    for pid in pids:
        command = [*as_root(), "nsenter", "--net", "--target", pid, "ss", "-H", "-ltnp"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows += [line for line in listed.splitlines() if pid in re.findall(r"pid=(\d+)", line)]
    return [row.split()[3].rpartition(":")[0].strip("[]").partition("%")[0] for row in rows]
