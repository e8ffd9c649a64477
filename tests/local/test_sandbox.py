"""The tests' own libvirt does what the agent's tests rely on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import libvirt
import pytest

from deploy.local.domain_xml import Graphics, Nic
from tests.services.root import as_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.libvirt import LibvirtSandbox


@pytest.fixture
def guests(libvirt_sandbox: LibvirtSandbox) -> Iterator[LibvirtSandbox]:
    yield libvirt_sandbox
    libvirt_sandbox.remove_all()


def open_display(sandbox: LibvirtSandbox, uuid: str):
    import socket

    connection = libvirt.open(sandbox.uri)
    descriptor = connection.lookupByUUIDString(uuid).openGraphicsFD(0, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
    connection.close()
    display = socket.socket(fileno=descriptor)
    display.settimeout(10)
    return display


def test_a_guest_boots_and_its_display_opens_without_a_listener(guests: LibvirtSandbox):
    uuid = guests.start_demo("boots", disk=guests.disk_path("boots"))

    with open_display(guests, uuid) as display:
        assert display.recv(12) == b"RFB 003.008\n"
    pid = guests.qemu_pid(uuid)
    listeners = subprocess.run([*as_root(), "ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    assert f"pid={pid}," not in listeners


def test_what_is_killed_has_ended_once_that_is_said(guests: LibvirtSandbox):
    guests.start_demo("ends", wait=False)
    guests.signal("qemu/ends", signal.SIGKILL)

    with pytest.raises(LookupError):
        guests.qemu_pid("ends")


def test_a_guest_and_its_display_outlive_a_killed_libvirtd(guests: LibvirtSandbox):
    uuid = guests.start_demo("outlives")
    with open_display(guests, uuid) as display:
        display.recv(12)
        guests.kill()
        display.sendall(b"RFB 003.008\n")
        assert display.recv(2) == b"\x01\x01"
    guests.start()

    assert guests.virsh("domstate", uuid) == "running"
    with open_display(guests, uuid) as display:
        assert display.recv(12) == b"RFB 003.008\n"


def test_the_power_button_shuts_the_guest_down(guests: LibvirtSandbox):
    uuid = guests.start_demo("button")
    guests.virsh("shutdown", uuid)

    deadline = time.monotonic() + 20
    while guests.virsh("domstate", uuid) != "shut off" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert guests.virsh("domstate", uuid, "--reason") == "shut off (shutdown)"


def test_the_serial_port_takes_commands(guests: LibvirtSandbox):
    uuid = guests.start_demo("serial")
    guests.virsh("send-key", uuid, "KEY_E", "KEY_C")  # the screen's keyboard is another terminal
    connection = libvirt.open(guests.uri)
    stream = connection.newStream()
    connection.lookupByUUIDString(uuid).openConsole(None, stream, 0)
    stream.send(b"echo sum-$((40 + 2))\n")

    guests.wait_for_serial("serial", "sum-42", seconds=10)
    stream.abort()
    connection.close()


@pytest.mark.parametrize(
    "variant",
    [
        {"graphics": (Graphics(kind="spice"), Graphics(kind="vnc"))},
        {"graphics": (Graphics(password="a secret"),)},
        {"graphics": (Graphics(listen="tcp"),)},
        {"graphics": (Graphics(listen="socket"),)},
        {"graphics": ()},
        {"nics": (Nic(), Nic(link_up=True))},
        {"machine": "q35", "firmware": "uefi", "memory_mib": 256},
    ],
    ids=["spice-and-vnc", "password", "tcp", "socket", "no-graphics", "two-nics", "uefi"],
)
def test_variants_boot(guests: LibvirtSandbox, variant: dict[str, Any]):
    uuid = guests.start_demo("variant", **variant)

    assert guests.virsh("domstate", uuid) == "running"


def test_a_command_beside_guests_that_fails_is_shown_with_its_complaint(guests: LibvirtSandbox):
    with pytest.raises(RuntimeError, match="ended with 3: no display here"):
        guests.run_beside([sys.executable, "-c", "import sys; sys.stderr.write('no display here'); sys.exit(3)"])


def test_the_machines_own_libvirt_is_not_reached(guests: LibvirtSandbox):
    guests.define_demo("hidden")

    networks = guests.virsh("net-list", "--all", "--name").split()
    assert all("192.168.222." in guests.virsh("net-dumpxml", name) for name in networks), "only the tests' own"
    assert "qemu:///system?socket=/" in guests.uri
