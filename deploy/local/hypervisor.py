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
from deploy.local.demo_guest import DemoGuestError, guest_ensure_running
from deploy.local.domain_xml import GuestSpec
from deploy.local.guest_image import GuestImage, GuestImageError, guest_image_ensure
from deploy.local.steps import Console, StepError, authenticate, elevated, last_line
from deploy.local.storage import pool_ensure
from deploy.local.supervisor import REAPER

URI = "qemu:///system"
SOCKETS = tuple(Path("/run/libvirt") / name for name in ("libvirt-sock", "virtqemud-sock"))
UNITS = (("libvirtd.socket", "virtlogd.socket"), ("virtqemud.socket", "virtlogd.socket"))
START_SECONDS = 60
WITHOUT_LIBVIRT = "Run `EVE_DRIVER=fake make run` to see Eve with a made-up hypervisor"


def socket_state() -> str:
    """``up`` (perhaps for others than this user) or ``down``."""
    for path in SOCKETS:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except PermissionError:
                return "up"
            except OSError:
                continue
            else:
                return "up"
    return "down"


class Libvirt:
    """The machine's libvirt. What ``ensure_up`` starts itself, ``close`` ends."""

    def __init__(self, config: LocalConfig) -> None:
        self._config = config
        self._started: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._needs_root = False

    @property
    def needs_root(self) -> bool:
        """Whether only root gets an answer: the user is not in the group libvirt, or no polkit runs that would know."""
        return self._needs_root

    def is_up(self) -> bool:
        """Whether a client gets an answer, as this user or through sudo."""
        if socket_state() == "down":
            return False
        self._needs_root = os.geteuid() != 0 and _refusal(as_root=False) is not None
        return not self._needs_root or _refusal(as_root=True) is None

    def ensure_up(self, console: Console) -> str:
        """Start libvirt and wait until it answers. Raises StepError with the reason where it cannot run."""
        how = "is up"
        if os.geteuid() != 0:
            console.line("    sudo is asked to start libvirt")
            authenticate()
        if socket_state() == "down":
            how = self._start_units() if Path("/run/systemd/system").is_dir() else self._start_daemons(console)
        deadline = time.monotonic() + START_SECONDS
        while (reason := _refusal(as_root=True)) is not None:
            console.progress("waiting for libvirt to answer")
            dead = self.died()
            if dead is not None:
                reason = f"{dead} ended: {last_line(self.log(dead))}"
            if dead is not None or time.monotonic() > deadline:
                raise StepError(f"libvirt cannot run here: {reason}", remedy=WITHOUT_LIBVIRT)
            time.sleep(0.2)
        self.is_up()
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
        raise StepError(
            f"systemd did not start libvirt: {errors[0]}",
            remedy=f"Look at `systemctl status libvirtd`. {WITHOUT_LIBVIRT}",
        )

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
                command = without_device(Path("/dev/kvm"), self._config.state_dir / "no-kvm", *command)
            with self.log(name).open("ab") as output:
                process = subprocess.Popen(
                    elevated([sys.executable, "-I", str(REAPER), *command]),
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                )
            self._started.append((name, process))
        return "started virtlogd and libvirtd"


def without_device(device: Path, stand_in: Path, *command: str) -> list[str]:
    """What runs a command, as root, with a device in its place that only root could open, and that does nothing.

    Told of a KVM that QEMU's user may open (such as by /dev/null in its place), or that root only finds to be usable, libvirt probes
    QEMU again, for seconds, at every definition and start. The stand-in is made where it is missing, and has to stay: libvirt
    carries what is mounted below /dev over into each guest's own.
    """
    hide = 'device=$1 none=$2; shift 2; [ -c "$none" ] || mknod -m 0 "$none" c 1 3; mount --bind "$none" "$device" && exec "$@"'
    within = ["unshare", "--mount", "--propagation", "slave"]
    return [*within, "sh", "-c", hide, "sh", str(device), str(stand_in), *command]


def _refusal(*, as_root: bool) -> str | None:
    """Why libvirt does not answer, or None if it does."""
    command = ["virsh", "--quiet", "--connect", URI, "version"]
    command = elevated(command) if as_root else command
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return " ".join(done.stderr.replace("error: ", "").split()) or "no reason given"


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


def guest_start(config: LocalConfig, *, as_root: bool, console: Console) -> str:
    """Make the demo guest's kernel and a storage pool, define the guest, start it. Returns its UUID. Raises StepError."""
    if as_root:
        return _guest_start_as_root(config)
    try:
        guest_folder_make(config.guest_dir)
        image = guest_image_ensure(folder=config.guest_dir / "images", report=console.progress)
        pool_ensure(uri=URI, folder=config.guest_dir / "machines")
        console.progress("starting it (libvirt looks at QEMU the first time, which takes a while)")
        return guest_ensure_running(uri=URI, spec=_spec(config, image))
    except (GuestImageError, DemoGuestError, OSError) as error:
        raise StepError(
            str(error), remedy="Mend that, then run make again, or see `EVE_DRIVER=fake make run`"
        ) from error


def _guest_start_as_root(config: LocalConfig) -> str:
    """The same through sudo, for users whom libvirt does not answer."""
    variables = {
        "EVE_GUEST_DIR": config.guest_dir,
        "EVE_DEMO_NAME": config.demo_name,
        "EVE_STATE_DIR": config.state_dir,
    }
    assignments = [f"{name}={value}" for name, value in variables.items()]
    command = elevated(["env", *assignments, config.python, "-m", "deploy.local.hypervisor"])
    done = subprocess.run(
        command, cwd=config.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines() or ["sudo refused"]
    if done.returncode != 0:
        raise StepError(lines[-1], remedy="Mend that, then run make again, or see `EVE_DRIVER=fake make run`")
    return lines[-1]


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


def main() -> int:
    """Start the demo guest that the environment describes and print its UUID: what ``make run`` does through sudo."""
    try:
        uuid = guest_start(LocalConfig.from_environment(os.environ), as_root=False, console=Console(sys.stderr))
    except StepError as error:
        sys.stdout.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"{uuid}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
