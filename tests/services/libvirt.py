"""A private libvirtd for the tests: real libvirt and QEMU that cannot see the machine's own domains, networks or pools."""

from __future__ import annotations

import contextlib
import grp
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.demo_guest import DemoGuestError, guest_define, virsh
from deploy.local.domain_xml import GuestSpec
from deploy.local.guest_image import GuestImage, guest_image_ensure
from tests.services.databases import ServiceError
from tests.services.libvirt_init import BINDS
from tests.services.root import SMALL, ServiceRoot, as_root, service_root_create, unmount

INIT = Path(__file__).with_name("libvirt_init.py")
START_SECONDS = 60
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9.-]{0,40}")
GUEST_FOLDER = Path(os.environ.get("EVE_TEST_GUEST_DIR", "/var/tmp/eve-test-guest"))
"""Cache of the guest's kernel and initramfs: a public folder that QEMU's user can read, kept between runs."""
SMALL_MIB = 48
NETWORK_XML = """<network>
  <name>{name}</name>
  <bridge name="evebr0"/>
  <ip address="192.168.222.1" netmask="255.255.255.0"><dhcp><range start="192.168.222.10" end="192.168.222.99"/></dhcp></ip>
</network>
"""


@dataclass(slots=True)
class LibvirtSandbox:
    """A running libvirtd. ``uri`` works for every client on this machine, from outside the namespace."""

    root: ServiceRoot
    image: GuestImage
    process: subprocess.Popen[str]
    logs: dict[str, Path] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """A ``qemu:///system`` address that ends at the sandbox's socket."""
        return f"qemu:///system?socket={self.root.path}/run/libvirt-sock"

    def kill(self) -> None:
        """``kill -9`` libvirtd. Guests run on, open graphics fds stay open."""
        self.signal("libvirtd", signal.SIGKILL)

    def start(self) -> None:
        """Start libvirtd again after ``kill`` and wait until it answers."""
        self._tell("start")
        self._wait_until_up()

    def define_demo(self, name: str, **variant: Any) -> str:
        """Define (not start) a demo guest with the fields of ``GuestSpec`` given in ``variant``. Returns its UUID.

        Its prompt shows its name, unless ``hostname`` says otherwise; its serial output is ``serial_text(name)``.
        """
        if not NAME_PATTERN.fullmatch(name):
            raise ValueError(f"{name!r}: test guests are named in lower case letters, digits, dots and dashes.")
        log = self.root.path / "serial" / f"{name}.log"
        log.unlink(missing_ok=True)
        self.logs[name] = log
        fields: dict[str, Any] = {
            "kernel": self.image.kernel,
            "initramfs": self.image.initramfs,
            "hostname": name,
            "serial_log": log,
            "purpose": "test",
        }
        return guest_define(uri=self.uri, spec=GuestSpec(name=name, **{**fields, **variant}))

    def define(self, xml: str) -> None:
        """Define a domain anew, as ``virsh dumpxml`` and a change made it."""
        with tempfile.NamedTemporaryFile("w", prefix="eve-domain-", suffix=".xml") as file:
            file.write(xml)
            file.flush()
            self.virsh("define", file.name)

    def give_system(self, name: str) -> None:
        """Have a domain that is off boot the demo guest's system, whatever its disks hold: seconds, and a shell on its serial line."""
        arguments = f"console=tty0 panic=0 eve.hostname={name}"
        system = (
            f"<kernel>{self.image.kernel}</kernel><initrd>{self.image.initramfs}</initrd><cmdline>{arguments}</cmdline>"
        )
        self.define(self.virsh("dumpxml", name, "--inactive").replace("</type>", f"</type>{system}", 1))

    def start_demo(self, name: str, *, wait: bool = True, **variant: Any) -> str:
        """Define and start a demo guest; with ``wait``, return only when its shell is there. Returns its UUID."""
        uuid = self.define_demo(name, **variant)
        virsh(self.uri, "start", uuid)
        if wait:
            self.wait_for_serial(name, ":~#")
        return uuid

    def disk_path(self, name: str) -> Path:
        """Where a guest's disk may lie, so that it goes away with the sandbox (``disk=sandbox.disk_path("a")``)."""
        return self.root.path / "disks" / f"{name}.qcow2"

    def serial_text(self, name: str) -> str:
        """Everything that the guest wrote to its serial port since it started."""
        self._tell("share")
        try:
            return self.logs[name].read_text(errors="replace")
        except (FileNotFoundError, PermissionError):  # not started, or this very moment
            return ""

    def wait_for_serial(self, name: str, text: str, *, seconds: float = 60.0) -> None:
        """Wait until the guest has written ``text`` to its serial port. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while text not in (written := self.serial_text(name)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} did not write {text!r} within {seconds:.0f} s, but: {written[-200:]}")
            time.sleep(0.05)

    def virsh(self, *arguments: str) -> str:
        """Behind everybody's back: one ``virsh`` command. Raises DemoGuestError."""
        return virsh(self.uri, *arguments)

    def mend(self) -> None:
        """Start libvirtd unless it is there."""
        try:
            self.running()
        except DemoGuestError:
            self.start()

    def running(self) -> set[str]:
        """The names of the guests that run."""
        return set(self.virsh("list", "--name").split())

    def signal(self, who: str, number: signal.Signals) -> None:
        """Send a signal to ``libvirtd`` or to the QEMU of a guest, ``qemu/NAME``; to nobody if it has ended."""
        self._tell(f"signal {int(number)} {who}")

    @contextmanager
    def stopped(self, who: str) -> Iterator[None]:
        """It hangs: neither dead nor answering."""
        self.signal(who, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(who, signal.SIGCONT)

    def qemu_pid(self, who: str) -> int:
        """The process of a running guest, by its name or UUID, as seen from outside the sandbox. Raises LookupError."""
        name, uuid = f"guest={who},".encode(), who.encode()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if b"qemu-system" in words[0] and (uuid in words or any(word.startswith(name) for word in words)):
                    return int(path.parent.name)
        raise LookupError(f"No QEMU runs the guest {who}.")

    def read_open(self, who: str, name: str) -> str:
        """What is in the files of that name that a guest's QEMU has open, also in such as have no name any more."""
        script = 'for file in /proc/"$1"/fd/*; do case "$(readlink "$file")" in */"$2"*) cat "$file";; esac; done'
        command = [*as_root(), "sh", "-c", script, "sh", str(self.qemu_pid(who)), name]
        return subprocess.run(command, capture_output=True, check=True).stdout.decode(errors="replace")

    @property
    def init_pid(self) -> int:
        """Its first process, as seen from outside: whoever enters its namespaces finds it at ``qemu:///system``."""
        words = [sys.executable, "-I", str(INIT), str(self.root.path), ""]
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if path.read_bytes().decode(errors="replace").split("\0") == words:
                    return int(path.parent.name)
        raise LookupError("The libvirt sandbox has ended.")

    def run_beside(self, command: list[str], *, data: bytes = b"") -> bytes:
        """What a command prints that runs as root on the sandbox's network. Raises RuntimeError with what it complained of."""
        nsenter = [*as_root(), "nsenter", "--net", "--target", str(self.init_pid)]
        done = subprocess.run([*nsenter, *command], input=data, capture_output=True, check=False, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    @property
    def small_folder(self) -> Path:
        """The folder of the pool ``small``: a file system of its own, of :data:`SMALL_MIB`."""
        return (self.root.path / SMALL).readlink()

    @property
    def pool_folder(self) -> Path:
        """The folder of the pool ``default``."""
        return self.root.path / "pool"

    def make_pool(self, name: str, folder: Path) -> None:
        """A ``dir`` pool in ``folder``, which has to be there: at the same place within the sandbox and without."""
        virsh(self.uri, "pool-define-as", name, "dir", "--target", str(folder))
        virsh(self.uri, "pool-start", name)

    def remove_pool(self, name: str) -> None:
        """Forget a pool; its files stay."""
        virsh(self.uri, "pool-destroy", name)
        virsh(self.uri, "pool-undefine", name)

    def make_network(self, name: str = "default") -> None:
        """A network with DHCP that leads nowhere (the sandbox has interfaces of its own), unless it is there."""
        if name in virsh(self.uri, "net-list", "--all", "--name").split():
            return
        document = self.root.path / f"network-{name}.xml"
        document.write_text(NETWORK_XML.format(name=name))
        virsh(self.uri, "net-define", str(document))
        virsh(self.uri, "net-start", name)

    def remove_all(self) -> None:
        """Pull the plug of every guest and forget it, with its snapshots, and empty the pool ``default``."""
        for name in virsh(self.uri, "list", "--all", "--name").split():
            with contextlib.suppress(DemoGuestError):
                virsh(self.uri, "destroy", name)
            virsh(self.uri, "undefine", name, "--nvram", "--managed-save", "--snapshots-metadata")
        for folder in (self.pool_folder, self.small_folder):
            _as_root(["find", str(folder), "-mindepth", "1", "-delete"])
        self.logs.clear()

    def close(self) -> None:
        """End libvirtd and every guest, and remove the folder."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(30)
        unmount(self.root.path / SMALL)
        _as_root(["rm", "-rf", "--one-file-system", *(str(self.root.path / name) for name in BINDS)])
        self.root.close()

    def _tell(self, order: str) -> None:
        if self.process.stdin is None or self.process.stdout is None:
            raise ServiceError("The libvirt sandbox has no pipes.")
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != "done":
            raise ServiceError(f"The libvirt sandbox is gone: {_tail(self.root.path)}")

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                virsh(self.uri, "list", "--all")
            except DemoGuestError as error:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise ServiceError(
                        f"The sandbox's libvirtd does not answer: {error} {_tail(self.root.path)}"
                    ) from error
                time.sleep(0.1)
            else:
                return


@contextmanager
def libvirt_sandbox() -> Iterator[LibvirtSandbox]:
    """Start a sandbox, end it with everything in it. Needs root or a sudo that does not ask.

    Raises:
        ServiceError: libvirt cannot run here; the text says why.
    """
    for program in ("libvirtd", "virtlogd"):
        if shutil.which(program, path="/usr/sbin:/usr/bin") is None:
            raise ServiceError(f"{program} is missing: `make test` installs what the tests need.")
    image = guest_image_ensure(folder=GUEST_FOLDER)
    root = service_root_create("libvirt")
    _write_configuration(root.path)
    process = _launch(root.path)
    sandbox = LibvirtSandbox(root, image, process)
    try:
        if process.stdout is None or process.stdout.readline().strip() != "ready":
            raise ServiceError(
                f"No namespaces for a libvirt of the tests' own (an unprivileged container?): {_tail(root.path)}"
            )
        sandbox._wait_until_up()
        sandbox.make_pool("default", sandbox.pool_folder)
        sandbox.make_pool("small", sandbox.small_folder)
        yield sandbox
    finally:
        sandbox.close()


def _write_configuration(root: Path) -> None:
    for name in (*BINDS, "serial", "disks", "pool"):
        (root / name).mkdir(mode=0o755)
    # Elsewhere: a mount is seen by all processes, and those of the sandbox are told by its folder's name in their mounts.
    small = Path(tempfile.mkdtemp(prefix="eve-small-"))
    (root / SMALL).symlink_to(small)
    _as_root(["mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m,mode=755", "eve-small", str(small)])
    # Only this user and root may connect; libvirt's own checks would ask a polkit that is hidden from it.
    group = grp.getgrgid(os.getegid()).gr_name
    (root / "etc" / "libvirtd.conf").write_text(
        f'unix_sock_group = "{group}"\nunix_sock_rw_perms = "0770"\nunix_sock_ro_perms = "0770"\n'
        'auth_unix_rw = "none"\nauth_unix_ro = "none"\n'
    )
    (root / "etc" / "qemu.conf").write_text('security_driver = "none"\ncgroup_controllers = []\n')


def _launch(root: Path) -> subprocess.Popen[str]:
    namespaces = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    command = [*as_root(), *namespaces, sys.executable, "-I", str(INIT), str(root)]
    with (root / "init.log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            process_group=0,  # of the same terminal, for which sudo remembers the password
            cwd="/",
        )


def _as_root(command: list[str]) -> None:
    subprocess.run([*as_root(), *command], check=False, capture_output=True, timeout=60)


def _tail(root: Path) -> str:
    lines: list[str] = []
    for name in ("init.log", "libvirtd.log", "virtlogd.log"):
        path = root / name
        if path.exists():
            lines += path.read_text(errors="replace").splitlines()[-3:]
    return " | ".join(lines) or "(no log)"
