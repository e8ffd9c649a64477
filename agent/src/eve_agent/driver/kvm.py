"""Whether guests of this host run under KVM: by configuration, or because a tiny program was seen to run under it."""

from __future__ import annotations

import logging
import os
import subprocess
import threading

from .machine import has_kvm

PROBE_SECONDS = 10.0
_BOOT_SECTOR = bytes.fromhex("b055 baf400 ee f4 ebfd").ljust(510, b"\0") + b"\x55\xaa"
"""``mov al, 0x55; mov dx, 0xf4; out dx, al; hlt; jmp $-1``: tells QEMU's debug port that it ran."""
_RAN = (0x55 << 1) | 1
"""QEMU's exit status for that (source: its ``isa-debug-exit`` device)."""
_log = logging.getLogger(__name__)


class Virtualization:
    """The type of the domains that are made here.

    Args:
        choice: ``kvm`` or ``qemu``; ``auto``: KVM where a probe runs under it, found out once, when it is first asked for.
    """

    def __init__(self, choice: str) -> None:
        self._choice = choice
        self._lock = threading.Lock()

    @property
    def kind(self) -> str:
        """``kvm`` or ``qemu``. Blocks, at the first time."""
        with self._lock:
            if self._choice == "auto":
                self._choice = "kvm" if has_kvm() and runs_under_kvm() else "qemu"
                _log.info("virtualization was probed", extra={"found": self._choice})
        return self._choice


def runs_under_kvm(qemu: str = "qemu-system-x86_64") -> bool:
    """Boots one sector under KVM, and sees whether it runs.

    A /dev/kvm that is there may still run nothing, or BIOS code only: one was seen that lacks the processor features of the
    plainest model, and hangs every operating system. Hence ``enforce``.
    """
    disk = os.memfd_create("boot")  # no file, which an agent that is killed here would leave behind
    try:
        os.write(disk, _BOOT_SECTOR)
        command = [
            *(
                qemu,
                "-machine",
                "pc,accel=kvm",
                "-cpu",
                "qemu64,enforce",
                "-m",
                "16",
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
            ),
            *("-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"),
            *("-drive", f"file=/proc/self/fd/{disk},format=raw,if=floppy,readonly=on"),
        ]
        done = subprocess.run(  # noqa: S603  (no shell, and no word of it from outside but checked names)
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
            pass_fds=(disk,),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.info("nothing runs under KVM", extra={"reason": str(error)})
        return False
    finally:
        os.close(disk)
    return done.returncode == _RAN
