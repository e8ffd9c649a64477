"""qemu-img: always with the declared format, never through a shell, and with limits on what a hostile image can make it use."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eve_agent.errors import AgentError, ImageInvalid, NoSpace, NotSupported
from eve_agent.wire.storage import ImageFormat

from .qcow2 import FLATTEN_IT, HEADER_BYTES, refuse_hostile_header

ADDRESS_SPACE_BYTES = 2**30
CPU_SECONDS = 30
COPY_CPU_SECONDS = 3600
OPEN_FILES = 64
WALL_SECONDS = 60.0
_POLL_SECONDS = 0.2
_LIMITED = ("prlimit", f"--as={ADDRESS_SPACE_BYTES}", f"--nofile={OPEN_FILES}", "--core=0")
_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_PROGRESS = re.compile(rb"\((\d+\.\d+)/100%\)")
_MESSAGE_LIMIT = 300


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an image says of itself, read as its declared format."""

    virtual_bytes: int
    """The size of the disk in it."""


class QemuImg:
    """Runs in the folder of a pool, by its descriptor: names are relative to it, so that no path leads elsewhere."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def inspect(self, name: str, declared: ImageFormat) -> ImageInfo:
        """Raises ImageInvalid where the file is not of the `declared` format, has a backing or data file, or is encrypted."""
        if declared is ImageFormat.QCOW2:
            refuse_hostile_header(self._head(name))
        answer = self._run(["info", "--output=json", "-f", declared.value, f"./{name}"], what="The image")
        try:
            found = json.loads(answer)
            virtual_bytes = int(found["virtual-size"])
            specific = found.get("format-specific", {}).get("data", {})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ImageInvalid("qemu-img does not understand the image.") from error
        _refuse_references(found, specific)
        return ImageInfo(virtual_bytes=virtual_bytes)

    def create(
        self, name: str, *, size_bytes: int, backing: str = "", backing_format: ImageFormat | None = None
    ) -> None:
        """A new qcow2 v3, thin over `backing` (a file of the same folder) where there is one."""
        command = ["create", "-q", "-f", "qcow2", "-o", "compat=1.1,lazy_refcounts=off"]
        if backing and backing_format is not None:
            command += ["-b", backing, "-F", backing_format.value]
        self._run([*command, f"./{name}", str(size_bytes)], what="The disk")

    def resize(self, name: str, size_bytes: int) -> None:
        """Makes the qcow2 disk larger; never smaller."""
        self._run(["resize", "-q", "-f", "qcow2", f"./{name}", str(size_bytes)], what="The disk")

    def flatten(
        self, source: str, target: str, *, progress: Callable[[int], None], is_cancelled: Callable[[], bool]
    ) -> bool:
        """A whole copy of the qcow2 disk `source` with what it is thin over; false where it was cancelled.

        `progress` is told percents.
        """
        command = ["convert", "-p", "-f", "qcow2", "-O", "qcow2", "-o", "compat=1.1", f"./{source}", f"./{target}"]
        with subprocess.Popen(  # noqa: S603  (as below)
            [*_LIMITED, f"--cpu={COPY_CPU_SECONDS}", "qemu-img", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=f"/proc/self/fd/{self._descriptor}",
            pass_fds=(self._descriptor,),
            env=_ENVIRONMENT,
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            os.set_blocking(running.stdout.fileno(), False)
            while True:
                try:
                    running.wait(_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    if found := _PROGRESS.findall(running.stdout.read() or b""):
                        progress(int(float(found[-1])))
                    if is_cancelled():
                        running.kill()
                        return False
            if running.returncode != 0:
                raise _failure(running.stderr.read().decode(errors="replace"), what="The disk")
        return True

    def _head(self, name: str) -> bytes:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._descriptor)
        try:
            return os.pread(descriptor, HEADER_BYTES, 0)
        finally:
            os.close(descriptor)

    def _run(self, arguments: Sequence[str], *, what: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603  (no shell, and no word of it from outside but checked names)
                [*_LIMITED, f"--cpu={CPU_SECONDS}", "qemu-img", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=WALL_SECONDS,
                check=False,
                cwd=f"/proc/self/fd/{self._descriptor}",
                pass_fds=(self._descriptor,),
                env=_ENVIRONMENT,
            )
        except FileNotFoundError as error:
            raise NotSupported("qemu-img is missing on this host: apt-get install qemu-utils") from error
        except subprocess.TimeoutExpired as error:
            raise ImageInvalid(f"{what} keeps qemu-img busy for more than {WALL_SECONDS:g} seconds.") from error
        if done.returncode != 0:
            raise _failure(done.stderr, what=what)
        return done.stdout


_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def _refuse_references(found: dict[str, Any], specific: dict[str, Any]) -> None:
    """Nothing of the host may come into a guest because a file that somebody sent names it (nova's CVE-2024-32498)."""
    if found.get("backing-filename") or found.get("full-backing-filename"):
        raise ImageInvalid(f"The image has a backing file. {FLATTEN_IT}")
    if specific.get("data-file") or specific.get("data-file-raw"):
        raise ImageInvalid(f"The image keeps its data in another file. {FLATTEN_IT}")
    if found.get("encrypted"):
        raise ImageInvalid("The image is encrypted, which cannot be booted here.")


def _failure(words: str, *, what: str) -> AgentError:
    if _FULL.search(words):
        return NoSpace("The pool has no space left. Nothing was lost; make room there and try again.")
    line = (words.strip().splitlines() or ["it gave no reason"])[-1]
    shown = "".join(character if character.isprintable() else " " for character in line)[:_MESSAGE_LIMIT]
    return ImageInvalid(f"{what} is not usable: {shown}")
