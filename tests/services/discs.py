"""Discs and disks that boot, for whoever wants to see which a machine started from and what is in its drive.

What boots is one sector of real-mode code, the same on both. Twice a second it writes a line to the first serial port and to the screen,
``booted from NAME; disk NAME; drive NAME.``: its own name, that in the first disk's sector, and the label of the disc in the drive, each read
anew; ``none`` where nothing can be read. Behind it comes what is typed meanwhile.
"""

from __future__ import annotations

import io

import pycdlib

SECTOR_BYTES = 512
LOADED_SECTORS = 4
"""One of a disc's, 2048 bytes."""
NAME_BYTES = 16
"""A name and the zero at its end; so many of a disc's label are read."""
_NAME_AT = 0x1A0
_CODE = (
    bytes.fromhex(
        # start: by the firmware at 0000:7c00
        "31c0 8ed8 8ec0 8ed0"  # xor ax, ax; ds = es = ss = ax
        "bc007c fb fc"  # mov sp, 7c00; sti; cld
        # again:
        "be917c e85800"  # say "\r\nbooted from "
        "bea07d e85200"  # say the name at 7c00 + 01a0
        "bea07c e84c00"  # say "; disk "
        "ba8000 bfa081 e82a00"  # look at sector 0 of disk 80h; its name comes to 8000 + 01a0
        "bea87c e83d00"  # say "; drive "
        "bae010 bf2880 e81b00"  # look at sector 16 of drive e0h, the volume descriptor; its label comes to 8000 + 28
        "beb17c e82e00"  # say "."
        "b90900 f4"  # mov cx, 9; rest: hlt, until the clock ticks or a key is pressed
        "b401 cd16 7407"  # INT 16h, AH=01h: is there a key?
        "30e4 cd16 e82700"  # INT 16h, AH=00h: tell its letter
        "e2f0 ebbb"  # loop rest; jmp again
        # look: dl is the drive, dh the sector, di where the name comes to
        "be817c c6440201 887408"  # one sector, and which, into the packet: a failure leaves there how many were read
        "b442 cd13"  # INT 13h, AH=42h: extended read
        "beb37c 7206"  # "none" if that failed
        "89fe c6441000"  # else the name, with a zero behind it
        # say: tell what si points at, until a zero
        "ac 84c0 7410"  # lodsb; test al, al; jz to the end
        "e80200 ebf6"  # tell; jmp say
        # tell: the letter in al
        "baf803 ee"  # out 3f8h, al
        "b40e bb0700 cd10 c3"  # INT 10h, AH=0Eh: teletype; ret
        # packet: one sector to 0000:8000
        "1000 0100 0080 0000 0000000000000000"
    )
    + b"\r\nbooted from \0; disk \0; drive \0.\0none\0"
)


def boot_sector(name: str) -> bytes:
    """What a disk has to begin with to boot and to be called `name`."""
    label = name.encode()
    assert len(label) < NAME_BYTES
    sector = bytearray(SECTOR_BYTES)
    sector[: len(_CODE)] = _CODE
    sector[_NAME_AT : _NAME_AT + len(label)] = label
    sector[-2:] = b"\x55\xaa"
    return bytes(sector)


def boot_disc(name: str) -> bytes:
    """An ISO that boots (El Torito, without emulation), labelled `name` in capitals."""
    data = boot_sector(name).ljust(LOADED_SECTORS * SECTOR_BYTES, b"\0")
    image = pycdlib.PyCdlib()
    image.new(vol_ident=name)
    image.add_fp(io.BytesIO(data), len(data), "/BOOT.;1")
    image.add_eltorito("/BOOT.;1", bootcatfile="/BOOT.CAT;1", boot_load_size=LOADED_SECTORS)
    written = io.BytesIO()
    image.write_fp(written)
    image.close()
    return written.getvalue()
