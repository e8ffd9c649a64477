"""What names, sizes and texts of the contract may be: one place for both sides, called by the messages' ``__post_init__``.

Each function returns nothing and raises ValueError with the field's name and what it has to be. Messages that only an agent
writes (answers) are not checked so: Eve reads them leniently.
"""

from __future__ import annotations

import re
import unicodedata

MIB = 2**20
MIN_DISK_BYTES = MIB
MAX_DISK_BYTES = 64 * 2**40
MIN_MEMORY_BYTES = 32 * MIB
MAX_MEMORY_BYTES = 16 * 2**40
MAX_VCPUS = 512
MAX_IMAGE_BYTES = 16 * 2**40
MAX_TITLE = 255
MAX_URL = 2000
MAX_USER_DATA_BYTES = 64 * 1024
MAX_NETWORK_CONFIG_BYTES = 16 * 1024
MAX_META_DATA_BYTES = 4 * 1024

_DOMAIN_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,78}[a-z0-9])?")
_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def check_domain_name(text: str) -> None:
    """A name for libvirt: lower-case letters, digits, dots and dashes, 80 at most."""
    if not _DOMAIN_NAME.fullmatch(text):
        raise ValueError("name: only a–z, 0–9, dots and dashes, 80 at most, with a letter or digit at both ends")


def check_object_name(field: str, text: str) -> None:
    """The name of a pool, volume, network or bridge: 1 to 255 visible characters without a slash, and neither ``.`` nor ``..``."""
    if not 0 < len(text) <= 255 or "/" in text or text in (".", "..") or not _is_line(text):
        raise ValueError(f"{field}: 1 to 255 visible characters without a slash")


def check_title(text: str) -> None:
    """One line for people, 255 characters at most; may be empty."""
    if len(text) > MAX_TITLE or not _is_line(text):
        raise ValueError(f"title: one line of visible characters, {MAX_TITLE} at most")


def check_mac(text: str) -> None:
    """An Ethernet address of one card: lower-case, with colons, not multicast."""
    if not _MAC.fullmatch(text):
        raise ValueError("mac: six lower-case hexadecimal bytes with colons, and no multicast address")


def check_sha256(text: str) -> None:
    """64 lower-case hexadecimal digits, or nothing."""
    if text and not _SHA256.fullmatch(text):
        raise ValueError("sha256: 64 lower-case hexadecimal digits, or nothing")


def check_user_name(text: str) -> None:
    """An account in a guest."""
    if not _USER.fullmatch(text):
        raise ValueError("user: letters, digits, dots, dashes and underscores, 64 at most")


def check_range(field: str, value: int, *, low: int, high: int) -> None:
    """`low` ≤ `value` ≤ `high`."""
    if not low <= value <= high:
        raise ValueError(f"{field}: {low} to {high}, not {value}")


def check_disk_size(field: str, value: int) -> None:
    """1 MiB to 64 TiB, in whole sectors of 512 bytes."""
    check_range(field, value, low=MIN_DISK_BYTES, high=MAX_DISK_BYTES)
    if value % 512:
        raise ValueError(f"{field}: whole sectors of 512 bytes")


def check_memory(field: str, value: int) -> None:
    """32 MiB to 16 TiB, in whole KiB, which is how libvirt counts."""
    check_range(field, value, low=MIN_MEMORY_BYTES, high=MAX_MEMORY_BYTES)
    if value % 1024:
        raise ValueError(f"{field}: whole KiB")


def check_length(field: str, text: str, *, limit_bytes: int) -> None:
    """`text` has at most `limit_bytes` as UTF-8."""
    if len(text.encode(errors="surrogatepass")) > limit_bytes:
        raise ValueError(f"{field}: {limit_bytes} bytes at most")


def _is_line(text: str) -> bool:
    """Whether `text` has no control or direction characters, line ends, or halves of surrogate pairs."""
    return not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in text)
