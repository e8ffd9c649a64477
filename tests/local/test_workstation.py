"""``make run`` beside virtual machines, networks and pools of somebody else, also when it is killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.local.config import ROOT
from tests.e2e.house import free_port
from tests.services.libvirt import GUEST_FOLDER
from tests.services.root import as_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.libvirt import LibvirtSandbox

READY_SECONDS = 180
DUMPS = (
    ("list", "dumpxml {}", "dumpxml {} --inactive", "domstate {} --reason", "domid {}"),
    ("net-list", "net-dumpxml {}", "net-info {}"),
    ("pool-list", "pool-dumpxml {}", "pool-info {}", "vol-list {}"),
)
"""What lists things of a kind, and all that virsh tells of one."""
FILLING = re.compile(r"^.*(capacity|allocation|available).*$", re.MULTILINE | re.IGNORECASE)
"""Lines on how full the disk is on which a pool lies."""


@pytest.fixture
def workstation(libvirt_sandbox: LibvirtSandbox, tmp_path: Path) -> Iterator[LibvirtSandbox]:
    """A libvirt with a guest that runs, one that does not, a network, and a pool that has the name which Eve would take."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "precious.img").write_bytes(b"theirs")
    libvirt_sandbox.make_network()
    libvirt_sandbox.make_pool("eve", theirs)
    libvirt_sandbox.start_demo("theirs", disk=libvirt_sandbox.disk_path("theirs"))
    libvirt_sandbox.define_demo("theirs-off")
    yield libvirt_sandbox
    libvirt_sandbox.remove_all()
    for pool in libvirt_sandbox.virsh("pool-list", "--all", "--name").split():
        if pool.startswith("eve"):
            libvirt_sandbox.remove_pool(pool)


def test_what_is_somebody_elses_stays_as_it_is(workstation: LibvirtSandbox, tmp_path: Path):
    before = inventory(workstation)
    house = House(workstation, tmp_path)

    house.start()
    house.kill()
    assert house.left_behind() == []
    house.start()
    assert house.stop() == 0
    assert house.left_behind() == []

    after = inventory(workstation)
    assert {name: after.get(name) for name in before} == before
    own = {name for name in after if name not in before}
    assert {re.sub("-[0-9a-f]{8}$", "-N", name) for name in own} == {"list eve-demo", "pool-list eve-N"}
    assert (tmp_path / "theirs" / "precious.img").read_bytes() == b"theirs"


def inventory(sandbox: LibvirtSandbox) -> dict[str, list[str]]:
    """All that libvirt tells of each domain, network and pool."""
    return {
        f"{kind} {name}": [FILLING.sub("", sandbox.virsh(*dump.format(name).split())) for dump in dumps]
        for kind, *dumps in DUMPS
        for name in sandbox.virsh(kind, "--all", "--name").split()
    }


class House:
    """``make run`` on the sandbox's libvirt: in its namespaces, where ``qemu:///system`` is that one."""

    def __init__(self, sandbox: LibvirtSandbox, folder: Path) -> None:
        self._log = folder / "output"
        self._state = folder / "state"
        (self._state / "log").mkdir(parents=True)
        self._state.chmod(0o700)
        guests = sandbox.root.path / "demo"
        # The bytes alone: libvirt notes at a file who uses it.
        shutil.copytree(GUEST_FOLDER, guests / "images", copy_function=shutil.copyfile)
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "EVE_STATE_DIR": self._state,
            "EVE_GUEST_DIR": guests,
            "EVE_PORT": free_port(),
            "EVE_AGENT_PORT": free_port(),
        }
        target = str(sandbox.init_pid)
        user = ["--reuid", str(os.getuid()), "--regid", str(os.getgid()), "--init-groups"]
        self._command = [
            *(*as_root(), "nsenter", "--mount", "--net", "--pid", "--target", target, "--", "setpriv", *user),
            *("env", "-i", f"--chdir={ROOT}", *(f"{name}={value}" for name, value in variables.items())),
            *(sys.executable, "-m", "deploy.local", "--prepared", "run"),
        ]
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + READY_SECONDS
        while "Eve is ready" not in self._log.read_text():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """``kill -9`` of the process that watches over the others."""
        os.kill(self._pid(), signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> int:
        """Ctrl-C. Returns the exit code."""
        os.kill(self._pid(), signal.SIGINT)
        return self._process.wait(60)

    def left_behind(self) -> list[str]:
        """Processes of this Eve, once those that are about to end have ended."""
        deadline = time.monotonic() + 30
        while self._processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        return list(self._processes().values())

    def _pid(self) -> int:
        return next(pid for pid, words in self._processes().items() if "deploy.local --prepared run" in words)

    def _processes(self) -> dict[int, str]:
        """Command lines of those that have the state directory in their environment."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if f"EVE_STATE_DIR={self._state}\0".encode() in (path / "environ").read_bytes():
                    found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found
