"""The guest's initramfs: archive format, module order, cache."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from deploy.local import guest_image
from deploy.local.guest_image import CpioEntry, GuestImageError, cpio_archive, guest_image_ensure, module_dependencies


def parsed(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """An independent reading of the newc format, field by field as the kernel's documentation has it."""
    entries: dict[str, tuple[int, bytes]] = {}
    position = 0
    while True:
        assert archive[position : position + 6] == b"070701"
        fields = [int(archive[position + 6 + 8 * n : position + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[position + 110 : position + 110 + name_size - 1].decode()
        position = -4 * (-(position + 110 + name_size) // 4)
        if name == "TRAILER!!!":
            return entries
        entries[name] = (mode, archive[position : position + size])
        position = -4 * (-(position + size) // 4)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5])
def test_an_archive_holds_what_went_in(length: int):
    data = b"x" * length
    archive = cpio_archive([CpioEntry("etc", stat.S_IFDIR | 0o755), CpioEntry("etc/a", stat.S_IFREG | 0o644, data)])

    assert parsed(archive) == {"etc": (0o040755, b""), "etc/a": (0o100644, data)}


def test_equal_contents_give_equal_bytes():
    entry = CpioEntry("init", stat.S_IFREG | 0o755, b"#!/bin/sh\n")
    assert cpio_archive([entry]) == cpio_archive([entry])


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (b"\0license=GPL\0depends=virtio,virtio-ring\0name=x\0", ["virtio", "virtio_ring"]),
        (b"\0depends=\0", []),
        (b"nothing of the kind", []),
    ],
)
def test_dependencies_are_read_from_the_module(module: bytes, expected: list[str]):
    assert module_dependencies(module) == expected


def test_a_module_comes_after_what_it_needs(tmp_path: Path):
    drivers = tmp_path / "lib/modules/6.1/kernel"
    drivers.mkdir(parents=True)
    for name, needs in {"virtio-rng": "virtio", "virtio": "virtio-ring", "virtio-ring": ""}.items():
        (drivers / f"{name}.ko").write_bytes(b"\0depends=" + needs.encode() + b"\0")

    entries = {entry.path: entry.data for entry in guest_image._module_entries(tmp_path)}

    assert entries["etc/modules"].split() == [b"virtio_ring.ko", b"virtio.ko", b"virtio_rng.ko"]
    assert "lib/modules/virtio_rng.ko" in entries


def test_what_is_cached_needs_no_package_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / f"6.1.0-1-cloud-amd64+{guest_image._recipe_digest()}"
    folder.mkdir()
    (folder / "vmlinuz").touch()
    (folder / "initramfs.gz").touch()
    monkeypatch.setattr(subprocess, "run", None)

    assert guest_image_ensure(folder=tmp_path).kernel == folder / "vmlinuz"


def test_a_missing_package_archive_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    failed = subprocess.CompletedProcess([], 100, "", "W: no\nE: Unable to fetch some archives")
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: failed)

    with pytest.raises(GuestImageError, match=r"Unable to fetch some archives.*check the network"):
        guest_image_ensure(folder=tmp_path)
    assert not list(tmp_path.iterdir())
