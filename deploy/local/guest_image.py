"""The demo guest's kernel and initramfs, made of two Debian packages that are unpacked but never installed.

The kernel is that of ``linux-image-*-cloud-amd64``; the initramfs holds ``busybox-static`` and the scripts in ``guest/``.
It boots in seconds also where QEMU has to emulate the processor. Results are cached per version of everything that goes in.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

GUEST_FILES = Path(__file__).with_name("guest")
"""Scripts that go into the guest; ``LAYOUT`` says where."""

LAYOUT = {
    "init": "init",
    "inittab": "etc/inittab",
    "rcS": "etc/rcS",
    "shrc": "etc/shrc",
    "shell": "etc/shell",
    "udhcpc": "etc/udhcpc",
    "power": "etc/acpi/PWRF/00000080",
}

MODULES = (
    *("button", "evdev", "virtio_pci", "virtio_net", "virtio_blk", "virtio_rng", "virtio_balloon", "virtio_console"),
    "pvpanic_mmio",
)
"""What the demo guest needs and Debian's cloud kernel has as modules: the power button first of all."""

KERNEL_PACKAGE = "linux-image-cloud-amd64"
BUSYBOX_PACKAGE = "busybox-static"


class GuestImageError(Exception):
    """The demo guest's kernel or initramfs could not be made; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class GuestImage:
    """A kernel and an initramfs that belong together, in a folder that QEMU's user can read."""

    kernel: Path
    initramfs: Path
    version: str


@dataclass(frozen=True, slots=True)
class CpioEntry:
    """One file of an initramfs: its path without a leading slash, its mode with type bits, its contents."""

    path: str
    mode: int
    data: bytes = b""


def guest_image_ensure(*, folder: Path, report: Callable[[str], None] = lambda line: None) -> GuestImage:
    """Make the newest kernel and initramfs under ``folder`` unless they are there already.

    What is there is used as it is, without asking the package archive: delete the folder to get a newer kernel.

    Raises:
        GuestImageError: no package archive within reach, another architecture, or no room.
    """
    recipe = _recipe_digest()
    image = _find_cached(folder=folder, recipe=recipe)
    if image is not None:
        return image
    report("fetching Debian's cloud kernel (27 MB) and busybox")
    try:
        with tempfile.TemporaryDirectory(prefix="eve-guest-") as scratch_name:
            return _build(folder=folder, recipe=recipe, scratch=Path(scratch_name), report=report)
    except OSError as error:
        raise GuestImageError(f"The demo guest could not be written to {folder}: {error}.") from error


def _find_cached(*, folder: Path, recipe: str) -> GuestImage | None:
    found = sorted(folder.glob(f"*+{recipe}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for candidate in found:
        image = GuestImage(candidate / "vmlinuz", candidate / "initramfs.gz", candidate.name)
        if image.kernel.is_file() and image.initramfs.is_file():
            return image
    return None


def _build(*, folder: Path, recipe: str, scratch: Path, report: Callable[[str], None]) -> GuestImage:
    kernel_package = _newest_kernel_package()
    kernel_tree = _unpack(kernel_package, scratch=scratch)
    busybox_tree = _unpack(BUSYBOX_PACKAGE, scratch=scratch)
    report("packing the guest's initramfs")
    kernels = list((kernel_tree / "boot").glob("vmlinuz-*"))
    busybox = next(
        (path for path in (busybox_tree / "bin/busybox", busybox_tree / "usr/bin/busybox") if path.is_file()), None
    )
    if len(kernels) != 1 or busybox is None:
        raise GuestImageError(
            f"{kernel_package} or {BUSYBOX_PACKAGE} is not laid out as expected. Report this with `apt-cache policy`."
        )
    version = f"{kernels[0].name.removeprefix('vmlinuz-')}+{recipe}"
    entries = [*_guest_entries(busybox), *_module_entries(kernel_tree)]

    staging = folder / f".{version}.{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    staging.mkdir()
    try:
        shutil.copyfile(kernels[0], staging / "vmlinuz")
        (staging / "initramfs.gz").write_bytes(gzip.compress(cpio_archive(entries), compresslevel=6, mtime=0))
        for path in (staging, *staging.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
        final = folder / version
        if final.exists():
            shutil.rmtree(final)
        staging.rename(final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return GuestImage(final / "vmlinuz", final / "initramfs.gz", version)


def _recipe_digest() -> str:
    """Eight hex digits over everything of ours that decides what is in the initramfs."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in sorted(LAYOUT):
        digest.update((GUEST_FILES / name).read_bytes())
    return digest.hexdigest()[:8]


def _newest_kernel_package() -> str:
    listing = _run(["apt-cache", "depends", "--important", KERNEL_PACKAGE])
    for line in listing.splitlines():
        kind, _, name = line.strip().partition(": ")
        if kind == "Depends" and name.startswith("linux-image-"):
            return name
    raise GuestImageError(
        f"The package archive does not know {KERNEL_PACKAGE} (other distribution or architecture?). "
        "Run `EVE_DRIVER=fake make run` to go without a guest."
    )


def _unpack(package: str, *, scratch: Path) -> Path:
    download, tree = scratch / f"{package}.deb.d", scratch / f"{package}.tree"
    download.mkdir()
    sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    _run(["apt-get", *sandbox, "download", package], cwd=download)
    archives = list(download.glob("*.deb"))
    if len(archives) != 1:
        raise GuestImageError(f"apt-get download {package} left {len(archives)} files where one was expected.")
    _run(["dpkg", "-x", str(archives[0]), str(tree)])
    return tree


def _run(command: list[str], *, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GuestImageError(
            f"`{' '.join(command)}` did not run: {error}. Is this Debian, with a package archive within reach?"
        ) from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise GuestImageError(
            f"`{' '.join(command)}` failed: {last}. Run `apt-get update`, check the network, and try again."
        )
    return done.stdout


def _guest_entries(busybox: Path) -> Iterator[CpioEntry]:
    folders = {"bin", "etc", "lib", "lib/modules"}
    for target in LAYOUT.values():
        folders.update(str(parent) for parent in Path(target).parents if str(parent) != ".")
    for name in sorted(folders):
        yield CpioEntry(name, stat.S_IFDIR | 0o755)
    yield CpioEntry("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes())
    for name, target in LAYOUT.items():
        yield CpioEntry(target, stat.S_IFREG | 0o755, (GUEST_FILES / name).read_bytes())


def _module_entries(kernel_tree: Path) -> Iterator[CpioEntry]:
    """The drivers in ``MODULES`` with what they depend on, and ``etc/modules`` with the order to load them in."""
    available: dict[str, Path] = {}
    for path in kernel_tree.rglob("*.ko*"):
        available[path.name.partition(".")[0].replace("-", "_")] = path
    order: list[str] = []
    contents: dict[str, bytes] = {}

    def visit(name: str) -> None:
        if name in contents or name not in available:
            return
        contents[name] = _read_module(available[name])
        for dependency in module_dependencies(contents[name]):
            visit(dependency)
        order.append(name)

    for wanted in MODULES:
        visit(wanted)
    for name in order:
        yield CpioEntry(f"lib/modules/{name}.ko", stat.S_IFREG | 0o644, contents[name])
    listing = "".join(f"{name}.ko\n" for name in order)
    yield CpioEntry("etc/modules", stat.S_IFREG | 0o644, listing.encode())


def _read_module(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def module_dependencies(module: bytes) -> list[str]:
    """Names of the modules that a kernel module says it needs (``depends=`` in its ``.modinfo`` section)."""
    start = module.find(b"\0depends=")
    if start < 0:
        return []
    value = module[start + len(b"\0depends=") :].partition(b"\0")[0].decode("ascii", "replace")
    return [name.replace("-", "_") for name in value.split(",") if name]


def cpio_archive(entries: Iterable[CpioEntry]) -> bytes:
    """A ``newc`` archive, the only format the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format).

    Owners are root and times zero, so that equal contents give equal bytes, whoever builds them.
    """
    archive = bytearray()
    for number, entry in enumerate([*entries, CpioEntry("TRAILER!!!", 0)], start=1):
        name = entry.path.encode() + b"\0"
        fields = (number, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        archive += bytes(-len(archive) % 4)
        archive += entry.data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)
