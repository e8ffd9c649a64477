"""Making and deleting domains in a session."""

from __future__ import annotations

import uuid
from typing import Any

from eve_agent.driver import machine
from eve_agent.driver.clipboard import has_clipboard
from eve_agent.driver.pools.folder import disk_name, image_name, seed_name
from eve_agent.driver.rules import capped, refuse_beyond_host, refuse_disk_in_use, refuse_foreign
from eve_agent.driver.xml import DomainDocument, DomainPlan, domain_xml
from eve_agent.errors import DomainExists, ImageNotFound, NameTaken, NetworkNotFound, VolumeNotFound
from eve_agent.wire.domain import Domain
from eve_agent.wire.spec import CdromSlot, DomainDelete, DomainSpec, NicKind, NicSlot, ResourcesChange
from eve_agent.wire.storage import Deleted

from .binding import Code, Flag, LibvirtError
from .calls import translating
from .storage import StorageCalls


class MachineCalls(StorageCalls):
    """See :class:`~eve_agent.driver.host.Session`."""

    @translating
    def define_domain(self, wanted: DomainSpec) -> Domain:
        """Defines a domain, off; one that Eve made before is left as it is."""
        existing = self._found(wanted.uuid)
        if existing is None:
            self._refuse_taken_name(wanted)
            text = domain_xml(self._plan(wanted))
            try:
                existing = self._connection.defineXMLFlags(text, Flag.DEFINE_VALIDATE)
            except LibvirtError:
                self._refuse_taken_name(wanted)  # somebody else was faster
                raise
        document = DomainDocument(existing.XMLDesc(Flag.XML_INACTIVE))
        if not document.has_mark:
            raise DomainExists(
                f"This host has a virtual machine of that id, “{existing.name()}”, that Eve did not make."
            )
        if wanted.is_autostarted and document.operation == str(wanted.operation_id):
            existing.setAutostart(1)
        return self._parts(existing).domain

    @translating
    def delete_domain(self, domain_uuid: uuid.UUID, wanted: DomainDelete) -> Deleted:
        """Stops and forgets a domain of Eve's, then deletes the named disks and its seed."""
        domain = self._found(domain_uuid)
        name = domain.name() if domain is not None else ""
        if domain is not None:
            refuse_foreign(name, has_mark=DomainDocument(domain.XMLDesc(0)).has_mark)
        for disk in wanted.disks:
            with self._folder(disk.pool) as (_, folder):
                path = folder.file_path(disk_name(disk.disk_uuid))
                refuse_disk_in_use([user for user in self._users_of(path) if user != name])
        if domain is not None:
            self._forget(domain)
        for disk in wanted.disks:
            self.delete_disk(disk.pool, disk.disk_uuid)
        if wanted.seed_pool:
            self.delete_seed(wanted.seed_pool, domain_uuid)
        return Deleted(was_there=domain is not None)

    def _forget(self, domain: Any) -> None:
        """Pulls the plug, and undefines with all that libvirt keeps of it."""
        with self._passing_over(Code.NO_DOMAIN):
            with self._passing_over(Code.OPERATION_INVALID):  # it is off
                domain.destroy()
            domain.undefineFlags(Flag.UNDEFINE_ALL)

    def _found(self, domain_uuid: uuid.UUID) -> Any:
        """The domain, or None."""
        with self._passing_over(Code.NO_DOMAIN):
            return self._lookup(domain_uuid)
        return None

    def _refuse_taken_name(self, wanted: DomainSpec) -> None:
        with self._passing_over(Code.NO_DOMAIN):
            if self._connection.lookupByName(wanted.name).UUID() != wanted.uuid.bytes:
                raise NameTaken(f"Another virtual machine of this host is named “{wanted.name}”.")

    def _maxima(self, wanted: DomainSpec | ResourcesChange) -> tuple[int, int]:
        """Of processors and of memory in bytes. Raises BeyondHost."""
        _, memory_mib, threads, *_ = self._connection.getInfo()
        refuse_beyond_host(wanted, threads=threads, memory_bytes=memory_mib * 2**20)
        return capped(wanted, threads=threads, memory_bytes=memory_mib * 2**20)

    def _plan(self, wanted: DomainSpec) -> DomainPlan:
        vcpus_max, memory_max_bytes = self._maxima(wanted)
        for nic in wanted.nics:
            self._require_network(nic)
        return DomainPlan(
            spec=wanted,
            vcpus_max=vcpus_max,
            memory_max_bytes=memory_max_bytes,
            virtualization=self._virtualization.kind,
            has_clipboard=has_clipboard(
                self._clipboard,
                libvirt_version=self._connection.getLibVersion(),
                qemu_version=self._connection.getVersion(),
            ),
            disk_paths={
                disk.disk_uuid: self._free_disk_path(disk.pool, disk.disk_uuid, but="") for disk in wanted.disks
            },
            cd_path=self._disc_path(wanted.cdrom),
            seed_path=self._seed_path(wanted) if wanted.seed_pool else "",
        )

    def _free_disk_path(self, pool: str, disk_uuid: uuid.UUID, *, but: str) -> str:
        """Where a disk is that no domain has, `but` the one of that name."""
        name = disk_name(disk_uuid)
        with self._folder(pool) as (_, folder):
            if folder.size(name) is None:
                raise VolumeNotFound(f"The pool “{pool}” has no such disk.")
            refuse_disk_in_use([user for user in self._users_of(folder.file_path(name)) if user != but])
            return folder.file_path(name)

    def _disc_path(self, slot: CdromSlot) -> str:
        """Where the image for a drive is; empty for none."""
        if slot.image_uuid is None:
            return ""
        with self._folder(slot.pool) as (_, folder):
            if folder.size(image_name(slot.image_uuid)) is None:
                raise ImageNotFound(f"The pool “{slot.pool}” has no such image; was it deleted meanwhile?")
            return folder.file_path(image_name(slot.image_uuid))

    def _seed_path(self, wanted: DomainSpec) -> str:
        with self._folder(wanted.seed_pool) as (_, folder):
            if folder.size(seed_name(wanted.uuid)) is None:
                raise VolumeNotFound(f"The pool “{wanted.seed_pool}” has no seed of this virtual machine.")
            return folder.file_path(seed_name(wanted.uuid))

    def _require_network(self, nic: NicSlot) -> None:
        if nic.kind is NicKind.BRIDGE:
            if nic.source not in machine.bridges():
                raise NetworkNotFound(f"This host has no bridge “{nic.source}”.")
            return
        try:
            self._connection.networkLookupByName(nic.source)
        except LibvirtError as error:
            if error.get_error_code() not in (Code.NO_NETWORK, Code.NO_SUPPORT):
                raise
            raise NetworkNotFound(f"This host has no network “{nic.source}”.") from None
