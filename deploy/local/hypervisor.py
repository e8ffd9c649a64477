"""Reaching the machine's libvirt: its units where systemd runs, its daemons under a reaper elsewhere."""

from __future__ import annotations

import grp
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

from deploy.local.config import LocalConfig
from deploy.local.demo_guest import DemoGuestError, guest_ensure_running, virsh
from deploy.local.domain_xml import GuestSpec
from deploy.local.guest_image import GuestImage, GuestImageError, guest_image_ensure
from deploy.local.steps import Console, StepError, elevated, last_line

URI = "qemu:///system"
SOCKETS = tuple(Path("/run/libvirt") / name for name in ("libvirt-sock", "virtqemud-sock"))
UNITS = (("libvirtd.socket", "virtlogd.socket"), ("virtqemud.socket", "virtlogd.socket"))
REAPER = Path(__file__).with_name("reaper.py")
START_SECONDS = 60
WITHOUT_LIBVIRT = "Run `EVE_DRIVER=fake make run` to see Eve with a made-up hypervisor"


def socket_state() -> str:
    """``up``, ``denied`` (it runs, but not for this user) or ``down``."""
    denied = False
    for path in SOCKETS:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except PermissionError:
                denied = True
            except OSError:
                continue
            else:
                return "up"
    return "denied" if denied else "down"


def needs_group() -> bool:
    """Whether this process lacks the group that may use libvirt's socket."""
    if os.geteuid() == 0:
        return False
    try:
        libvirt = grp.getgrnam("libvirt").gr_gid
    except KeyError:
        return False
    return libvirt not in (os.getegid(), *os.getgroups())


def become_group(arguments: list[str]) -> None:
    """Start this program again as the same user with libvirt's group. Does not return.

    Raises:
        StepError: sudo is missing or does not allow it.
    """
    if os.environ.get("EVE_LOCAL_REGROUPED"):
        raise StepError("sudo did not give this program the group libvirt", remedy=_GROUP_REMEDY)
    kept = [name for name in os.environ if name.startswith("EVE_") or name in _KEPT]
    keep = ",".join([*kept, "EVE_LOCAL_REGROUPED"])
    os.environ["EVE_LOCAL_REGROUPED"] = "1"
    user = f"#{os.geteuid()}"
    command = elevated(
        [f"--preserve-env={keep}", "-u", user, "-g", "libvirt", "--", sys.executable, "-m", "deploy.local", *arguments]
    )
    probe = subprocess.run(elevated(["-u", user, "-g", "libvirt", "true"]), check=False)
    if probe.returncode != 0:
        raise StepError("libvirt's socket is closed to this user, and sudo does not open it", remedy=_GROUP_REMEDY)
    os.execvp(command[0], command)


_GROUP_REMEDY = "Run `sudo adduser $USER libvirt`, log in again, then run make again"
_KEPT = (
    "PATH",
    "HOME",
    "TERM",
    "LANG",
    "LC_ALL",
    "PYTHONUNBUFFERED",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
)


class Libvirt:
    """The machine's libvirt. What ``ensure_up`` starts itself, ``close`` ends."""

    def __init__(self, config: LocalConfig) -> None:
        self._config = config
        self._started: list[tuple[str, subprocess.Popen[bytes]]] = []

    def is_up(self) -> bool:
        """Whether a client of this user gets an answer."""
        if socket_state() != "up":
            return False
        try:
            virsh(URI, "version")
        except DemoGuestError:
            return False
        return True

    def ensure_up(self, console: Console) -> str:
        """Start libvirt and wait until it answers. Raises StepError with the reason where it cannot run."""
        state = socket_state()
        how = "is up"
        if state == "denied":
            raise StepError("libvirt's socket is closed to this user", remedy=_GROUP_REMEDY)
        if state == "down":
            how = self._start_units() if Path("/run/systemd/system").is_dir() else self._start_daemons(console)
        deadline = time.monotonic() + START_SECONDS
        while True:
            console.progress("waiting for libvirt to answer")
            try:
                virsh(URI, "version")
            except DemoGuestError as error:
                if time.monotonic() > deadline or self._is_dead():
                    raise StepError(
                        f"libvirt cannot run here: {self._reason(error)}", remedy=WITHOUT_LIBVIRT
                    ) from error
                time.sleep(0.2)
            else:
                return how

    def close(self) -> None:
        """End the daemons that were started here; running VMs live on."""
        for _name, process in reversed(self._started):
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                continue
        self._started.clear()

    def died(self) -> str | None:
        """The name of a daemon started here that has ended, if one has."""
        return next((name for name, process in self._started if process.poll() is not None), None)

    def log(self, name: str) -> Path:
        """Where a daemon started here writes."""
        return self._config.log_dir / f"{name}.log"

    def _start_units(self) -> str:
        errors = []
        for units in UNITS:
            done = subprocess.run(elevated(["systemctl", "start", *units]), capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return f"started {' '.join(units)}"
            errors.append(done.stderr.strip())
        raise StepError(f"systemd did not start libvirt: {errors[0]}", remedy="Look at `systemctl status libvirtd`")

    def _start_daemons(self, console: Console) -> str:
        hidden = _kvm_is_closed()
        if hidden:
            console.line("    /dev/kvm is closed to QEMU's user (no udev?): guests are emulated")
        for name in ("virtlogd", "libvirtd"):
            program = next(
                (folder / name for folder in map(Path, ("/usr/sbin", "/usr/bin")) if (folder / name).exists()), None
            )
            if program is None:
                raise StepError(f"{name} is not installed", remedy=WITHOUT_LIBVIRT)
            command = [str(program)]
            if hidden and name == "libvirtd":
                # libvirt would probe KVM as root, find it closed to QEMU's user later, and probe again for every call.
                command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", _WITHOUT_KVM, str(program)]
            with self.log(name).open("ab") as output:
                process = subprocess.Popen(
                    elevated([sys.executable, "-I", str(REAPER), *command]),
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            self._started.append((name, process))
        return "started virtlogd and libvirtd"

    def _is_dead(self) -> bool:
        return bool(self._started) and self.died() is not None

    def _reason(self, error: Exception) -> str:
        dead = self.died()
        return f"{dead} ended: {last_line(self.log(dead))}" if dead else str(error)


_WITHOUT_KVM = 'mount --bind /dev/null /dev/kvm && exec "$0"'


def _kvm_is_closed() -> bool:
    """Whether /dev/kvm exists but QEMU's user may not open it (udev gives it to the group kvm)."""
    try:
        status = Path("/dev/kvm").stat()
        group = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):
        return False
    is_open = status.st_mode & (stat.S_IROTH | stat.S_IWOTH) == stat.S_IROTH | stat.S_IWOTH
    return not is_open and group != "kvm"


def guest_folder_make(folder: Path) -> None:
    """Make the demo guest's folder, which QEMU's user must be able to read. Raises StepError."""
    if os.access(folder, os.W_OK):
        return
    owner = [f"--owner={os.geteuid()}", f"--group={os.getegid()}"]
    done = subprocess.run(
        elevated(["install", "-d", "-m", "0755", *owner, str(folder)]), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StepError(
            f"{folder} could not be made: {done.stderr.strip()}", remedy="Name another folder by EVE_GUEST_DIR"
        )


def guest_start(config: LocalConfig, *, console: Console) -> str:
    """Make the demo guest's kernel, define the guest, start it. Returns its UUID. Raises StepError."""
    try:
        guest_folder_make(config.guest_dir)
        image = guest_image_ensure(folder=config.guest_dir / "images", report=console.progress)
        console.progress("starting it (libvirt looks at QEMU the first time, which takes a while)")
        return guest_ensure_running(uri=URI, spec=_spec(config, image))
    except (GuestImageError, DemoGuestError, OSError) as error:
        raise StepError(str(error), remedy="Then run make again, or see `EVE_DRIVER=fake make run`") from error


def _spec(config: LocalConfig, image: GuestImage) -> GuestSpec:
    for name in ("disks", "log"):
        (config.guest_dir / name).mkdir(mode=0o755, exist_ok=True)
    return GuestSpec(
        name=config.demo_name,
        kernel=image.kernel,
        initramfs=image.initramfs,
        disk=config.guest_dir / "disks" / f"{config.demo_name}.qcow2",
        serial_log=config.guest_dir / "log" / f"{config.demo_name}.log",
    )
