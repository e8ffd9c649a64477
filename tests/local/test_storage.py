"""The pool of ``make run`` on a real libvirt: made once, started when it is not, somebody else's left alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deploy.local.storage import pool_ensure

if TYPE_CHECKING:
    from tests.services.libvirt import LibvirtSandbox


def test_it_is_made_once_and_started_when_it_is_not(libvirt_sandbox: LibvirtSandbox, tmp_path: Path):
    sandbox = libvirt_sandbox
    assert pool_ensure(uri=sandbox.uri, folder=tmp_path / "machines") == "eve"
    sandbox.virsh("pool-destroy", "eve")
    assert pool_ensure(uri=sandbox.uri, folder=tmp_path / "machines") == "eve"
    assert "running" in sandbox.virsh("pool-info", "eve")

    other = pool_ensure(uri=sandbox.uri, folder=tmp_path / "others")
    assert other.startswith("eve-")
    assert str(tmp_path / "machines") in sandbox.virsh("pool-dumpxml", "eve")
    for name in ("eve", other):
        sandbox.virsh("pool-destroy", name)
        sandbox.virsh("pool-undefine", name)
