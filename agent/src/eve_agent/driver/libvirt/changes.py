"""Changing domains in a session: for good, and at once where they run."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from eve_agent.driver.pools import PoolFolder, QemuImg
from eve_agent.driver.rules import refuse_shrinking
from eve_agent.driver.xml import Device, DomainDocument, disk_xml, free_target, nic_xml
from eve_agent.errors import ActionRefused, DeviceNotFound
from eve_agent.wire.domain import Resources
from eve_agent.wire.spec import CdromSlot, DiskSlot, NicSlot, ResourcesChange, ResourcesStatus

from .binding import Code, Flag, LibvirtError, words_of
from .calls import translating
from .machines import MachineCalls
from .trays import drive_update

DETACH_SECONDS = 10.0
"""How long a guest may take to let go of a device."""
BALLOON_SECONDS = 2.0
"""How long is waited for a guest's memory to become what was asked for."""
_POLL_SECONDS = 0.1
_Finder = Callable[[DomainDocument], Device | None]


class ChangeCalls(MachineCalls):
    """See :class:`~eve_agent.driver.host.Session`."""

    @translating
    def change_resources(self, domain_uuid: uuid.UUID, wanted: ResourcesChange) -> ResourcesStatus:
        """Sets what the next start gives, and gives it at once as far as the running guest's maximum allows."""
        capped_vcpus, capped_bytes = self._maxima(wanted)
        domain = self._lookup(domain_uuid)
        before = _config(domain).limits
        vcpus_max = capped_vcpus if wanted.vcpus_max else max(before.vcpus_max, wanted.vcpus)
        memory_max_bytes = (
            capped_bytes if wanted.memory_max_bytes else max(before.memory_max_bytes, wanted.memory_bytes)
        )
        domain.setVcpusFlags(vcpus_max, Flag.CONFIG | Flag.VCPU_MAXIMUM)
        domain.setVcpusFlags(wanted.vcpus, Flag.CONFIG)
        domain.setMemoryFlags(memory_max_bytes // 1024, Flag.CONFIG | Flag.MEMORY_MAXIMUM)
        domain.setMemoryFlags(wanted.memory_bytes // 1024, Flag.CONFIG)
        if domain.isActive():
            self._change_live(domain, wanted)
        live = _resources(_live(domain)) if domain.isActive() else None
        return ResourcesStatus(next_start=_resources(_config(domain)), live=live)

    def _change_live(self, domain: Any, wanted: ResourcesChange) -> None:
        """What a guest does not take now it gets at its next start."""
        limits = _live(domain).limits
        if wanted.vcpus <= limits.vcpus_max and wanted.vcpus != limits.vcpus:
            with self._passing_over(Code.OPERATION_FAILED, Code.OPERATION_INVALID, Code.OPERATION_UNSUPPORTED):
                domain.setVcpusFlags(wanted.vcpus, Flag.LIVE)
        if wanted.memory_bytes <= limits.memory_max_bytes and wanted.memory_bytes != limits.memory_bytes:
            with self._passing_over(Code.OPERATION_FAILED, Code.OPERATION_INVALID, Code.OPERATION_UNSUPPORTED):
                domain.setMemoryFlags(wanted.memory_bytes // 1024, Flag.LIVE)
                _wait(lambda: _live(domain).limits.memory_bytes == wanted.memory_bytes, BALLOON_SECONDS)

    @translating
    def attach_disk(self, domain_uuid: uuid.UUID, wanted: DiskSlot) -> None:
        """Attaches a disk that no other domain has."""
        domain = self._lookup(domain_uuid)
        path = self._free_disk_path(wanted.pool, wanted.disk_uuid, but=domain.name())
        there = [found for _, document in _documents(domain) if (found := document.disk_at(path))]
        taken = [target for _, document in _documents(domain) for target in document.targets]
        target = there[0].target if there else free_target(wanted.bus, taken)
        self._attach(domain, disk_xml(wanted, path=path, target=target), lambda document: document.disk_at(path))

    @translating
    def detach_disk(self, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID) -> None:
        """Detaches a disk; its bytes are kept."""
        self._detach(self._lookup(domain_uuid), lambda document: document.disk_of(disk_uuid))

    @translating
    def grow_disk(self, domain_uuid: uuid.UUID, disk_uuid: uuid.UUID, size_bytes: int) -> None:
        """Makes a disk larger, and tells the guest where it runs."""
        domain = self._lookup(domain_uuid)
        is_active = bool(domain.isActive())
        device = (_live(domain) if is_active else _config(domain)).disk_of(disk_uuid)
        if device is None:
            raise DeviceNotFound(f"“{domain.name()}” has no such disk.")
        present_bytes = domain.blockInfo(device.target)[0]
        refuse_shrinking(present_bytes, size_bytes)
        if size_bytes == present_bytes:
            return
        path = PurePosixPath(device.path)
        with PoolFolder(str(path.parent)) as folder:
            folder.require_space(0)
            if is_active:
                domain.blockResize(device.target, size_bytes, Flag.RESIZE_BYTES)
            else:
                QemuImg(folder.descriptor).resize(path.name, size_bytes)

    @translating
    def attach_nic(self, domain_uuid: uuid.UUID, wanted: NicSlot) -> None:
        """Attaches a network card."""
        self._require_network(wanted)
        self._attach(self._lookup(domain_uuid), nic_xml(wanted), lambda document: document.nic(wanted.mac))

    @translating
    def detach_nic(self, domain_uuid: uuid.UUID, mac: str) -> None:
        """Detaches a network card."""
        self._detach(self._lookup(domain_uuid), lambda document: document.nic(mac))

    @translating
    def change_cdrom(self, domain_uuid: uuid.UUID, wanted: CdromSlot) -> None:
        """Puts another disc into the drive, or none."""
        domain = self._lookup(domain_uuid)
        path = self._disc_path(wanted)
        for flag, document in _documents(domain):
            drive = document.drive()
            if drive is None:
                raise DeviceNotFound(f"“{domain.name()}” has no CD drive.")
            if drive.path == path:
                continue
            drive_update(domain, document.drive_with(path), flag)

    @translating
    def set_boot_order(self, domain_uuid: uuid.UUID, devices: tuple[str, ...]) -> None:
        """What it boots from, from the next start on."""
        domain = self._lookup(domain_uuid)
        document = DomainDocument(domain.XMLDesc(Flag.XML_INACTIVE | Flag.XML_SECURE))
        try:
            text = document.with_boot_order(devices)
        except LookupError as error:
            raise DeviceNotFound(f"“{domain.name()}” has no device “{str(error.args[0])[:60]}”.") from None
        self._connection.defineXML(text)

    @translating
    def set_title(self, domain_uuid: uuid.UUID, title: str) -> None:
        """The line for people."""
        domain = self._lookup(domain_uuid)
        for flag, _ in _documents(domain):
            domain.setMetadata(Flag.METADATA_TITLE, title or None, None, None, flag)

    @translating
    def set_autostart(self, domain_uuid: uuid.UUID, *, is_autostarted: bool) -> None:
        """Whether it starts with the host."""
        domain = self._lookup(domain_uuid)
        if bool(domain.autostart()) != is_autostarted:
            domain.setAutostart(int(is_autostarted))

    def _attach(self, domain: Any, text: str, find: _Finder) -> None:
        """At once first: what the guest does not take is not written down either."""
        for flag, document in reversed(list(_documents(domain))):
            if find(document) is None:
                domain.attachDeviceFlags(text, flag)

    def _detach(self, domain: Any, find: _Finder) -> None:
        """At once first: what the guest keeps stays written down."""
        for flag, document in reversed(list(_documents(domain))):
            device = find(document)
            if device is None:
                continue
            try:
                domain.detachDeviceFlags(device.xml, flag)
            except LibvirtError as error:
                if flag != Flag.LIVE or error.get_error_code() != Code.OPERATION_FAILED:
                    raise
                raise ActionRefused(f"The guest does not let go of the device: {words_of(error)}") from error
            if flag == Flag.LIVE and not _wait(lambda: find(_live(domain)) is None, DETACH_SECONDS):
                raise ActionRefused(
                    "The guest did not let go of the device; is it still in use, or the guest still booting?"
                )


def _documents(domain: Any) -> Iterator[tuple[int, DomainDocument]]:
    """What will be at the next start (of one that outlives a stop), and what is now (of one that runs)."""
    if domain.isPersistent():
        yield Flag.CONFIG, _config(domain)
    if domain.isActive():
        yield Flag.LIVE, _live(domain)


def _config(domain: Any) -> DomainDocument:
    return DomainDocument(domain.XMLDesc(Flag.XML_INACTIVE))


def _live(domain: Any) -> DomainDocument:
    return DomainDocument(domain.XMLDesc(0))


def _resources(document: DomainDocument) -> Resources:
    limits = document.limits
    return Resources(
        vcpus=limits.vcpus,
        vcpus_max=limits.vcpus_max,
        memory_bytes=limits.memory_bytes,
        memory_max_bytes=limits.memory_max_bytes,
    )


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
