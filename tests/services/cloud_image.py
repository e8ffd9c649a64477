"""A cloud image to boot in tests: Debian with cloud-init, an SSH server and the guest agent, made once and kept.

Made as root, or by a sudo that does not ask, in about two minutes: debootstrap a small system, have its own apt put the packages
in, make a file system of the folder (``mkfs.ext4 -d`` needs no loop device), and put GRUB into the gap before it by hand.
What is there is used as it is: delete :data:`FOLDER` for a newer one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


class CloudImageError(Exception):
    """The cloud image could not be made; the text says why."""


FOLDER = Path(os.environ.get("EVE_TEST_CLOUD_DIR", "/var/tmp/eve-test-cloud"))
"""Cache: a public folder, kept between runs."""
SUITE = "bookworm"
MIRROR = os.environ.get("EVE_TEST_DEBIAN_MIRROR", "http://deb.debian.org/debian")
PACKAGES = (
    *("linux-image-cloud-amd64", "grub-pc-bin", "grub-common", "systemd-sysv", "udev", "dbus", "e2fsprogs"),
    *("cloud-init", "cloud-guest-utils", "qemu-guest-agent", "openssh-server", "sudo"),
    *("ifupdown", "isc-dhcp-client", "iproute2", "netbase", "login", "passwd"),
)
SIZE_MIB = 1400
GAP_BYTES = 2**20
"""From the disk's start to its only partition: GRUB lies there."""
_SECTOR = 512
_LABEL = "eve-cloud"
_FILES = {
    "etc/fstab": f"LABEL={_LABEL} / ext4 defaults 0 1\n",
    "etc/hostname": "cloud\n",
    "etc/network/interfaces": "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n",
    "etc/cloud/cloud.cfg.d/90_eve.cfg": "datasource_list: [NoCloud, None]\napt_preserve_sources_list: true\n",
    "boot/grub/grub.cfg": (
        f"set timeout=0\nlinux /vmlinuz root=LABEL={_LABEL} ro console=tty0 console=ttyS0,115200\n"
        "initrd /initrd.img\nboot\n"
    ),
}
_GRUB_MODULES = ("biosdisk", "part_msdos", "ext2", "linux", "normal", "configfile")
_COMMAND_SECONDS = 600


def cloud_image_ensure(*, report: Callable[[str], None] = lambda line: None) -> Path:
    """A qcow2 that boots with BIOS and asks a NoCloud seed who it is. Raises CloudImageError."""
    image = FOLDER / f"{SUITE}-{_recipe()}.qcow2"
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of tests that run side by side, one makes it
        if not image.exists():
            if shutil.which("debootstrap", path="/usr/sbin:/usr/bin") is None:
                raise CloudImageError("debootstrap is missing: `make test` installs what the tests need.")
            report("making a cloud image (two minutes)")
            with tempfile.TemporaryDirectory(prefix="eve-cloud-", dir=FOLDER) as scratch:
                made = Path(scratch) / "disk.qcow2"
                _as_root([sys.executable, "-I", str(Path(__file__).resolve()), scratch])
                _run(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", f"{scratch}/disk.raw", str(made)])
                made.chmod(0o644)
                made.rename(image)
                _as_root(["rm", "-rf", "--one-file-system", f"{scratch}/root", f"{scratch}/disk.raw"])
    return image


def build(scratch: Path) -> None:
    """``disk.raw`` in the folder. As root."""
    root, disk = scratch / "root", scratch / "disk.raw"
    _run(["debootstrap", "--variant=minbase", SUITE, str(root), MIRROR])
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    _inside(root, ["apt-get", "-qq", "-y", "install", "--no-install-recommends", *PACKAGES])
    for name, text in _FILES.items():
        (root / name).write_text(text)  # a package may have written its own
    _inside(root, ["apt-get", "clean"])
    core = "/boot/grub/core.img"
    _inside(root, ["grub-mkimage", "-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o", core, *_GRUB_MODULES])
    for path in (root / "usr/sbin/policy-rc.d", root / "etc/machine-id", *root.glob("etc/ssh/ssh_host_*")):
        path.unlink(missing_ok=True)
    (root / "etc/machine-id").touch()
    shutil.rmtree(root / "var/lib/apt/lists")
    boot = (root / "usr/lib/grub/i386-pc/boot.img").read_bytes()
    _write_disk(disk, root, boot_sector=boot, core=(root / core.lstrip("/")).read_bytes())


def _write_disk(disk: Path, root: Path, *, boot_sector: bytes, core: bytes) -> None:
    """GRUB's first sector with a partition table, its core behind it, and the file system at 1 MiB.

    The first sector looks for the core in the next one, and the core for its rest in those that follow: that is what GRUB's files
    say by themselves (source: grub-core/boot/i386/pc/diskboot.S), so nothing has to be installed.
    """
    if len(core) > GAP_BYTES - _SECTOR:
        raise CloudImageError("GRUB does not fit before the partition.")
    partition_bytes = SIZE_MIB * 2**20 - GAP_BYTES
    entry = struct.pack(
        "<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", GAP_BYTES // _SECTOR, partition_bytes // _SECTOR
    )
    with disk.open("wb") as file:
        file.truncate(SIZE_MIB * 2**20)
        file.write(boot_sector[:440] + b"EVE0\0\0" + entry.ljust(64, b"\0") + b"\x55\xaa")
        file.write(core)
    options = ["-q", "-F", "-L", _LABEL, "-E", f"offset={GAP_BYTES}", "-d", str(root)]
    _run(["mkfs.ext4", *options, str(disk), f"{partition_bytes // 1024}k"])


def _inside(root: Path, command: list[str]) -> None:
    """Runs in the new system, with a /proc, and with the network of this one."""
    for name in ("etc/resolv.conf", "etc/hosts"):
        shutil.copyfile(f"/{name}", root / name)
    proxies = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    lines = [
        line for line in proxies.splitlines() if line.startswith(("Acquire::http::Proxy ", "Acquire::https::Proxy "))
    ]
    (root / "etc/apt/apt.conf.d/99proxy").write_text("\n".join([*lines, ""]))
    namespaces = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={root}/proc"]
    try:
        _run([*namespaces, "chroot", str(root), "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", *command])
    finally:
        (root / "etc/apt/apt.conf.d/99proxy").unlink()


def _recipe() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]


def _as_root(command: list[str]) -> None:
    _run(command if os.geteuid() == 0 else ["sudo", "-n", "--", *command])


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=_COMMAND_SECONDS, check=False
    )
    if done.returncode != 0:
        last = " | ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-5:])
        raise CloudImageError(f"The cloud image could not be made: `{' '.join(command)[:200]}`: {last}")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
