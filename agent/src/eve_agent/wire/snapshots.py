"""Snapshots of a domain: internal ones, inside its qcow2 disks. Since version 2."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from .checks import check_title


@dataclass(frozen=True, slots=True)
class SnapshotSpec:
    """Body of ``PUT …/snapshots/{snapshot}``; the answer is the :class:`Snapshot`. One that is there already is left as it is.

    With memory it needs a running (or paused) domain (DOMAIN_OFF). Without, it holds the disks alone, of a running domain as they are at one
    moment; an agent of before refuses that (DOMAIN_RUNNING).
    """

    title: str
    """One line for people."""
    with_memory: bool = False
    operation_id: uuid.UUID | None = None

    def __post_init__(self) -> None:
        check_title(self.title)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An item of what ``GET …/snapshots`` answers, parents before children."""

    name: str
    """libvirt's name for it: the UUID of one that Eve made."""
    created_at: dt.datetime
    uuid: uuid.UUID | None = None
    """None for one that Eve did not make."""
    title: str = ""
    parent: str = ""
    """The name of the snapshot before; empty for a root."""
    with_memory: bool = False
    is_current: bool = False
    """Whether the domain's disks go on from this one."""


@dataclass(frozen=True, slots=True)
class SnapshotRevert:
    """Body of ``POST …/snapshots/{snapshot}/revert``; the answer is the Domain after it.

    With memory the domain runs (or is paused) as it was; without it is off.
    """

    operation_id: uuid.UUID | None = None
