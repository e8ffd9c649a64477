"""What a host sends as a picture, before a browser gets it."""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from hypervisors import picture
from hypervisors.errors import BadAnswer
from hypervisors.screenshots import screenshot_png
from tests.hypervisors.conftest import eventually

DECODES_AND_WAITS = """
import io, sys
from PIL import Image
from hypervisors.screenshots import screenshot_png

if __name__ == "__main__":
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    screenshot_png("image/png", out.getvalue())
    print("decoded", flush=True)
    sys.stdin.read()
"""


def image(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, kind)
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it has 60000 × 60000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("content_type", "kind"), [("image/png", "PNG"), ("image/x-portable-pixmap", "PPM")])
def test_a_picture_is_encoded_anew(content_type, kind):
    data = image(kind) + b"<script>alert(1)</script>"
    clean = screenshot_png(content_type, data)
    assert clean.startswith(b"\x89PNG")
    assert b"<script>" not in clean
    with Image.open(io.BytesIO(clean)) as seen:
        assert (seen.format, seen.size, seen.getpixel((1, 1))) == ("PNG", (64, 48), (255, 0, 0))


def test_it_is_scaled_down_where_asked():
    with Image.open(io.BytesIO(screenshot_png("image/png", image("PNG", (1280, 800)), width=320))) as seen:
        assert seen.size == (320, 200)


@pytest.mark.parametrize("content_type", ["image/svg+xml", "text/html", "image/jpeg", "", "image/png2"])
def test_other_types_are_refused_unread(content_type):
    with pytest.raises(BadAnswer, match="something else"):
        screenshot_png(content_type, image("PNG"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<html><script>alert(1)</script>",
        image("GIF"),
        image("JPEG"),
        image("PNG")[:60],
        bomb(),
        b"P6 65000 65000 255\n" + b"x" * 1000,
        b"P6 20000 1 255\n" + b"x" * 60000,
        b"P6 -1 5 255\n",
    ],
)
def test_what_is_no_acceptable_picture_is_refused(data):
    assert picture.reencode(data, None) is None
    with pytest.raises(BadAnswer, match="cannot be decoded"):
        screenshot_png("image/png", data)


def test_a_child_that_dies_is_replaced(monkeypatch):
    from hypervisors import screenshots

    screenshot_png("image/png", image("PNG"))
    for process in screenshots._current_pool()._processes.values():
        process.kill()
    with pytest.raises(BadAnswer, match="takes too much"):
        screenshot_png("image/png", image("PNG"))
    assert screenshot_png("image/png", image("PNG")).startswith(b"\x89PNG")


def test_no_helper_outlives_an_eve_that_was_killed(tmp_path: Path):
    program = tmp_path / "decodes.py"
    program.write_text(DECODES_AND_WAITS)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        text=True,
        start_new_session=True,
    ) as eve:
        assert eve.stdout is not None
        assert eve.stdout.readline() == "decoded\n"
        assert len(of_session(eve.pid)) >= 3  # Eve, the server of forks and the decoder
        eve.kill()
        eve.wait()
    try:
        eventually(lambda: not of_session(eve.pid), seconds=20)
    finally:
        for left in of_session(eve.pid):
            os.kill(left, signal.SIGKILL)


def of_session(leader: int) -> list[int]:
    """The processes that began in the session of that one, as far as they live."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _parent, _group, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            found.append(int(folder.name))
    return found
