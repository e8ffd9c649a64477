"""Whether the machines that are made here have a clipboard that they share with who is at their screen.

It is a channel to spice-vdagent in the guest, at the other end of which is QEMU itself (source: libvirt's formatdomain, "qemu-vdagent"). Before 10.1 QEMU
cannot save the memory of a machine that has one, so that there is no snapshot with memory of it.
"""

from __future__ import annotations

_LIBVIRT_SINCE = 8_004_000
_QEMU_SAVES_SINCE = 10_001_000


def has_clipboard(choice: str, *, libvirt_version: int, qemu_version: int) -> bool:
    """``on``, ``off``, or ``auto``: where it takes nothing from a machine. Versions are as libvirt counts them: 10.1.2 is 10001002."""
    if choice == "off" or libvirt_version < _LIBVIRT_SINCE:
        return False
    return choice == "on" or qemu_version >= _QEMU_SAVES_SINCE
