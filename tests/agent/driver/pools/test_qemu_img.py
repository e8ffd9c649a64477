"""qemu-img is run with limits, and with the format that was declared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from eve_agent.driver.pools import PoolFolder, QemuImg, qemu_img
from eve_agent.errors import ImageInvalid
from eve_agent.wire.storage import ImageFormat


@pytest.fixture
def folder(tmp_path: Path):
    with PoolFolder(str(tmp_path)) as opened:
        yield opened


def run_instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> None:
    """Puts a program of ours in qemu-img's place."""
    stand_in = tmp_path / "bin" / "qemu-img"
    stand_in.parent.mkdir()
    stand_in.write_text(f"#!{sys.executable}\n{program}")
    stand_in.chmod(0o755)
    environment = {**qemu_img._ENVIRONMENT, "PATH": f"{stand_in.parent}:/usr/bin:/bin"}
    monkeypatch.setattr(qemu_img, "_ENVIRONMENT", environment)


@pytest.mark.parametrize(
    "program",
    [
        "x = bytearray(2 * 2**30)",
        "while True: pass",
        "kept = [open('/dev/null') for _ in range(200)]",
    ],
    ids=["memory", "processor", "files"],
)
def test_a_greedy_image_ends_qemu_img_and_nothing_else(
    folder: PoolFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
):
    run_instead(monkeypatch, tmp_path, program)
    monkeypatch.setattr(qemu_img, "CPU_SECONDS", 1)

    with pytest.raises(ImageInvalid):
        QemuImg(folder.descriptor).inspect("image", ImageFormat.RAW)


def test_one_that_hangs_is_ended(folder: PoolFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run_instead(monkeypatch, tmp_path, "import time; time.sleep(60)")
    monkeypatch.setattr(qemu_img, "WALL_SECONDS", 0.5)

    with pytest.raises(ImageInvalid, match="busy"):
        QemuImg(folder.descriptor).inspect("image", ImageFormat.RAW)


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", "null", '{"virtual-size": "x"}', '{"virtual-size": null}', "\\x00\\xff"]
)
def test_an_answer_that_is_none(folder: PoolFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str):
    run_instead(monkeypatch, tmp_path, f"print('''{answer}''')")

    with pytest.raises(ImageInvalid):
        QemuImg(folder.descriptor).inspect("image", ImageFormat.RAW)


def test_a_disk_is_flattened_into_one_that_needs_nothing(folder: PoolFolder, tmp_path: Path):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "base", "8M"], check=True)
    tool, told = QemuImg(folder.descriptor), []
    tool.create("thin", size_bytes=16 * 2**20, backing="base", backing_format=ImageFormat.QCOW2)
    with pytest.raises(ImageInvalid, match="backing file"):
        tool.inspect("thin", ImageFormat.QCOW2)

    assert tool.flatten("thin", "whole", progress=told.append, is_cancelled=lambda: False)

    assert tool.inspect("whole", ImageFormat.QCOW2).virtual_bytes == 16 * 2**20
    with pytest.raises(ImageInvalid):
        tool.flatten("missing", "nothing", progress=told.append, is_cancelled=lambda: False)
