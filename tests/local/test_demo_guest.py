"""The demo guest on a real libvirt: made once, started when off, other people's VMs left alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.local.demo_guest import DemoGuestError, guest_define, guest_ensure_running, guest_names, guest_remove
from deploy.local.domain_xml import GuestSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.libvirt import LibvirtSandbox


@pytest.fixture
def stranger(libvirt_sandbox: LibvirtSandbox, tmp_path: Path) -> Iterator[str]:
    definition = tmp_path / "stranger.xml"
    definition.write_text(
        "<domain type='qemu'><name>stranger</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os></domain>"
    )
    libvirt_sandbox.virsh("define", str(definition))
    yield libvirt_sandbox.virsh("domuuid", "stranger")
    libvirt_sandbox.virsh("undefine", "stranger")


def spec_of(sandbox: LibvirtSandbox, name: str, **changes: object) -> GuestSpec:
    fields: dict[str, object] = {"kernel": sandbox.image.kernel, "initramfs": sandbox.image.initramfs, "name": name}
    return GuestSpec(**{**fields, **changes})


def test_a_second_call_changes_nothing_and_a_stopped_guest_is_started(libvirt_sandbox: LibvirtSandbox):
    uri, spec = libvirt_sandbox.uri, spec_of(libvirt_sandbox, "twice")
    uuid = guest_ensure_running(uri=uri, spec=spec)
    run = libvirt_sandbox.virsh("domid", uuid)
    assert guest_ensure_running(uri=uri, spec=spec) == uuid
    assert libvirt_sandbox.virsh("domid", uuid) == run

    libvirt_sandbox.virsh("destroy", uuid)
    assert guest_ensure_running(uri=uri, spec=spec) == uuid
    assert libvirt_sandbox.virsh("domstate", uuid) == "running"
    guest_remove(uri=uri, name="twice")


def test_a_guest_whose_kernel_is_gone_gets_the_new_one_and_keeps_its_uuid(libvirt_sandbox: LibvirtSandbox):
    uri = libvirt_sandbox.uri
    uuid = guest_define(uri=uri, spec=spec_of(libvirt_sandbox, "moved", kernel=Path("/gone/vmlinuz")))

    assert guest_ensure_running(uri=uri, spec=spec_of(libvirt_sandbox, "moved")) == uuid
    assert libvirt_sandbox.virsh("domstate", uuid) == "running"
    guest_remove(uri=uri, name="moved")


def test_somebody_elses_vm_of_the_same_name_stays_untouched(libvirt_sandbox: LibvirtSandbox, stranger: str):
    before = libvirt_sandbox.virsh("dumpxml", stranger)
    for attempt in (guest_define, guest_ensure_running):
        with pytest.raises(DemoGuestError, match="EVE_DEMO_NAME"):
            attempt(uri=libvirt_sandbox.uri, spec=spec_of(libvirt_sandbox, "stranger"))
    with pytest.raises(DemoGuestError, match="stays untouched"):
        guest_remove(uri=libvirt_sandbox.uri, name="stranger")

    assert libvirt_sandbox.virsh("dumpxml", stranger) == before
    assert "stranger" in guest_names(libvirt_sandbox.uri)


def test_an_absent_libvirt_is_said_in_a_sentence(tmp_path: Path):
    with pytest.raises(DemoGuestError, match="Failed to connect socket"):
        guest_names(f"qemu:///system?socket={tmp_path}/none")
