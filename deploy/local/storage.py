"""The storage pool in which ``make run``'s Eve puts images and disks: one of its own, beside the demo guest's files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lxml import etree

from deploy.local.demo_guest import virsh

NAME = "eve"


def pool_ensure(*, uri: str, folder: Path) -> str:
    """Make and start a dir pool on ``folder``. Returns its name: ``eve``, or where that is somebody else's, a longer one.

    Raises:
        DemoGuestError: libvirt refused.
    """
    folder.mkdir(mode=0o755, exist_ok=True)
    own = f"{NAME}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
    name = NAME if _folder_of(uri, NAME) in (None, str(folder)) else own
    if _folder_of(uri, name) is None:
        virsh(uri, "pool-define-as", name, "dir", "--target", str(folder))
    if name not in virsh(uri, "pool-list", "--name").split():
        virsh(uri, "pool-start", name)
    return name


def _folder_of(uri: str, name: str) -> str | None:
    """The folder of the pool called ``name``; None where there is no such pool."""
    if name not in virsh(uri, "pool-list", "--all", "--name").split():
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return etree.fromstring(virsh(uri, "pool-dumpxml", name).encode(), parser).findtext("target/path") or ""
