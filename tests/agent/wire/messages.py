"""Hypothesis strategies for every message of the contract."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import types
import typing
from typing import Any

from eve_agent.wire import certs, console, domain, errors, events, guest, host, jobs, snapshots, spec, stats, storage
from eve_agent.wire import typing as keys
from hypothesis import strategies as st

MODULES = (certs, console, domain, errors, events, guest, host, jobs, snapshots, spec, stats, storage, keys)
MESSAGES: tuple[type[Any], ...] = tuple(
    value
    for module in MODULES
    for value in vars(module).values()
    if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__ == module.__name__
)
"""Every dataclass that the contract declares (the enrolment token is text, not a message, and comes along for free)."""

NAMES = st.from_regex(r"[A-Za-z0-9_.-]{0,20}[a-z]", fullmatch=True)
BOOT_ORDER = st.integers(0, 99)
DISK_SIZES = st.integers(2048, 2**37).map(lambda sectors: sectors * 512)
MEMORY = st.integers(2**15, 2**34).map(lambda kib: kib * 1024)
FORMATS = st.sampled_from([storage.ImageFormat.QCOW2, storage.ImageFormat.RAW])
IMAGE_SIZES = st.integers(1, 2**44)
MACS = st.from_regex(r"52:54:00(:[0-9a-f]{2}){3}", fullmatch=True)
SHA256 = st.just("") | st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
TITLES = st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"]), max_size=50)
OPERATIONS = st.none() | st.uuids()

CHECKED: dict[str, st.SearchStrategy[Any]] = {
    "pool": NAMES,
    "source": NAMES,
    "volume": NAMES,
    "mac": MACS,
    "title": TITLES,
    "boot_order": BOOT_ORDER,
    "sha256": SHA256,
    "digests_sha256": SHA256,
    "format": FORMATS,
    "image_format": FORMATS,
    "max_bytes": IMAGE_SIZES,
    "least_bytes_per_second": st.just(0) | IMAGE_SIZES,
    "vcpus": st.integers(1, 64),
    "vcpus_max": st.just(0) | st.integers(64, 512),
    "memory_max_bytes": st.just(0) | st.just(2**44),
    "memory_bytes": MEMORY,
    "seed_pool": st.just("") | NAMES,
    "user": NAMES.map(lambda name: "u" + name),
    "password": st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=40),
    "seconds": st.integers(1, 60),
    "url": NAMES.map(lambda name: f"https://example.org/{name}"),
    "devices": st.lists(NAMES, max_size=3, unique=True).map(tuple),
}
"""What the checked fields of requests take, by name."""

REQUESTS: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    storage.ImageFetch: {},
    storage.ImageFinish: {"size_bytes": IMAGE_SIZES},
    spec.DiskSlot: {},
    spec.NicSlot: {},
    spec.DomainSpec: {
        "name": st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True),
        "disks": st.lists(st.builds(spec.DiskSlot, st.uuids(), NAMES), max_size=2).map(tuple),
        "nics": st.lists(st.builds(spec.NicSlot, MACS, NAMES), max_size=2, unique_by=lambda nic: nic.mac).map(tuple),
        "cdrom": st.builds(spec.CdromSlot, NAMES, st.uuids(), BOOT_ORDER),
    },
    spec.PoolDisk: {},
    spec.DomainDelete: {},
    spec.ResourcesChange: {},
    spec.DiskSize: {"size_bytes": DISK_SIZES},
    spec.BootOrder: {},
    spec.TitleChange: {},
    snapshots.SnapshotSpec: {},
    guest.PasswordChange: {},
    guest.FreezeRequest: {},
    keys.TextToType: {
        "text": st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=40),
        "keys_per_second": st.integers(keys.MIN_PACE, keys.MAX_PACE),
    },
}
"""Messages that check their fields, and what is theirs alone."""

PAIRS: dict[type[Any], st.SearchStrategy[Any]] = {
    storage.ImageCopy: st.builds(storage.ImageCopy, st.uuids(), st.uuids(), st.just(""), FORMATS)
    | st.builds(storage.ImageCopy, st.uuids(), st.none(), NAMES, FORMATS),
    storage.DiskSpec: st.builds(
        storage.DiskSpec, DISK_SIZES, st.uuids() | st.none(), FORMATS, st.just(False), OPERATIONS
    )
    | st.builds(storage.DiskSpec, DISK_SIZES, st.uuids(), takes_image=st.booleans()),
    spec.CdromSlot: st.builds(spec.CdromSlot, NAMES, st.uuids(), BOOT_ORDER, OPERATIONS)
    | st.builds(spec.CdromSlot, boot_order=BOOT_ORDER),
}
"""Messages whose fields depend on each other."""

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def messages(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Any message of the type `cls`."""
    if cls in PAIRS:
        return PAIRS[cls]
    hints = typing.get_type_hints(cls)
    found = {field.name: values(hints[field.name]) for field in dataclasses.fields(cls)}
    if cls in REQUESTS:
        found |= {name: CHECKED[name] for name in found.keys() & CHECKED.keys()} | REQUESTS[cls]
    return st.builds(cls, **found)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field with that annotation."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(st.none() if option is type(None) else values(option) for option in typing.get_args(hint)))
    if origin is tuple:
        return st.lists(values(typing.get_args(hint)[0]), max_size=3).map(tuple)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return messages(hint)
    if hint is str:
        return TEXT
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is dt.datetime:
        return st.datetimes(timezones=st.just(dt.UTC))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    found: st.SearchStrategy[Any] = st.from_type(hint)
    return found
