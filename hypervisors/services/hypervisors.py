"""Writes about sites and hypervisors."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone

from accounts.models import User
from accounts.services import audit_record
from accounts.services.announce import announce_revoked
from common.sentences import ngettext
from hypervisors import signals
from hypervisors.errors import HypervisorInUse
from hypervisors.models import Certificate, Hypervisor, HypervisorState, Site

from .outages import outage_note

MAX_REASON = 500
_EDITABLE = ("name", "site", "address", "remarks")


def site_create(*, site: Site, user: User | None = None) -> Site:
    """Saves a new site. Raises ValidationError."""
    site.full_clean()
    with transaction.atomic():
        site.save(force_insert=True)
        audit_record(action="site.create", actor=user, target=site)
    return site


def site_update(*, site: Site, user: User | None = None, changed: Sequence[str]) -> Site:
    """Saves the changed name or remarks of a site. Raises ValidationError."""
    site.full_clean()
    fields = [name for name in changed if name in ("name", "remarks")]
    if fields:
        with transaction.atomic():
            site.save(update_fields=fields)
            detail = {name: str(getattr(site, name)) for name in fields}
            audit_record(action="site.update", actor=user, target=site, detail=detail)
    return site


@transaction.atomic
def site_staff_set(*, site: Site, staff: Iterable[User], user: User | None = None) -> None:
    """Says who is staff of a site. Who no longer is loses it at once: what they have open there ends."""
    before, after = set(site.staff.all()), set(staff)
    if before == after:
        return
    site.staff.set(after)
    detail = {
        "added": sorted(str(person.pk) for person in after - before),
        "removed": sorted(str(person.pk) for person in before - after),
    }
    audit_record(action="site.staff", actor=user, target=site, detail=detail)
    for person in before - after:
        announce_revoked(user_id=person.pk, site_id=site.pk, reason="role_changed")


def hypervisor_register(*, hypervisor: Hypervisor, user: User | None = None) -> Hypervisor:
    """Saves a new hypervisor, which then waits for its enrolment. Raises ValidationError."""
    hypervisor.full_clean()
    with transaction.atomic():
        hypervisor.save(force_insert=True)
        audit_record(
            action="hypervisor.register", actor=user, target=hypervisor, detail={"address": hypervisor.address}
        )
        announce_edited(hypervisor.pk, hypervisor.site_id, hypervisor.state)
    return hypervisor


def hypervisor_update(*, hypervisor: Hypervisor, user: User | None = None, **changes: Any) -> Hypervisor:
    """Changes name, site, address or remarks. An enrolled host keeps its pin: whoever answers at another address has to
    prove to be the same host. At another site its staff are others: who no longer manages it loses it at once.
    Raises ValidationError.
    """
    unknown = set(changes) - set(_EDITABLE)
    if unknown:
        raise TypeError(f"not editable: {', '.join(sorted(unknown))}")
    before = {name: str(getattr(hypervisor, name)) for name in changes}
    for name, value in changes.items():
        setattr(hypervisor, name, value)
    hypervisor.full_clean()
    detail = {
        name: str(getattr(hypervisor, name)) for name in changes if str(getattr(hypervisor, name)) != before[name]
    }
    if detail:
        with transaction.atomic():
            present = Hypervisor.objects.select_for_update().only("site_id").get(pk=hypervisor.pk)
            hypervisor.save(update_fields=list(detail))
            audit_record(action="hypervisor.update", actor=user, target=hypervisor, detail=detail)
            if "site" in detail and present.site_id != hypervisor.site_id:
                announce_moved(hypervisor, old_site_id=present.site_id)
            elif detail.keys() & {"name", "address"}:
                announce_edited(hypervisor.pk, hypervisor.site_id, hypervisor.state)
    return hypervisor


def hypervisor_delete(*, hypervisor: Hypervisor, user: User | None = None) -> None:
    """Deletes a hypervisor that has no virtual machines and shuts its host out at once.

    Raises:
        HypervisorInUse: it has virtual machines.
    """
    hypervisor_id, site_id, name = hypervisor.pk, hypervisor.site_id, hypervisor.name
    try:
        with transaction.atomic():
            Certificate.objects.filter(hypervisor=hypervisor, revoked_at__isnull=True).update(
                revoked_at=timezone.now(), revoked_reason="the hypervisor was deleted"
            )
            hypervisor.delete()
            audit_record(
                action="hypervisor.delete",
                actor=user,
                target_type="hypervisor",
                target_id=str(hypervisor_id),
                target_label=name,
                site_uuid=hypervisor.site_id,
            )
            announce_removed(hypervisor_id, "deleted")
            announce_edited(hypervisor_id, site_id, "")
    except ProtectedError as error:
        count = len(error.protected_objects)
        raise HypervisorInUse(
            ngettext(
                "%(name)s has %(count)d virtual machine. Move it to another hypervisor or make Eve forget it first.",
                "%(name)s has %(count)d virtual machines. Move them to another hypervisor or make Eve forget them first.",
                count,
            )
            % {"name": name, "count": count}
        ) from error


def hypervisor_state_set(*, hypervisor_id: uuid.UUID, state: HypervisorState, reason: str = "") -> bool:
    """Writes how Eve and the host get on, and announces a change once. Returns whether the state changed.

    A revoked hypervisor stays so, whatever a link that has not yet ended says: only an enrolment changes that.
    """
    reason, since = reason[:MAX_REASON], timezone.now()
    rows = Hypervisor.objects.filter(pk=hypervisor_id).exclude(state=HypervisorState.REVOKED)
    with transaction.atomic():
        before = rows.select_for_update().values_list("state", flat=True).first()
        if before is None or before == state:
            rows.exclude(state_reason=reason).update(state_reason=reason)
            return False
        rows.update(state=state, state_reason=reason, state_since=since)
        outage_note(hypervisor_id=hypervisor_id, before=before, state=state, reason=reason, at=since)
        announce_state(hypervisor_id, state, since)
    return True


def announce_state(hypervisor_id: uuid.UUID, state: HypervisorState, since: Any) -> None:
    """Tells the apps above: now those that write rows in the caller's transaction, on commit all others."""
    what = {"hypervisor_id": hypervisor_id, "state": state.value, "since": since}
    signals.hypervisor_state_written.send(Hypervisor, **what)
    transaction.on_commit(partial(signals.hypervisor_state_changed.send_robust, Hypervisor, **what))


def announce_edited(hypervisor_id: uuid.UUID, site_id: uuid.UUID, state: str) -> None:
    """Tells the apps above, on commit, that lists with the host are other now; `state` is empty once it is deleted."""
    what = {"hypervisor_id": hypervisor_id, "site_id": site_id, "state": state}
    transaction.on_commit(partial(signals.hypervisor_edited.send_robust, Hypervisor, **what))


def announce_moved(hypervisor: Hypervisor, *, old_site_id: uuid.UUID) -> None:
    """Tells the apps above, on commit, that the staff of another site manage the host now."""
    transaction.on_commit(
        partial(
            signals.hypervisor_moved.send_robust,
            Hypervisor,
            hypervisor_id=hypervisor.pk,
            site_id=hypervisor.site_id,
            old_site_id=old_site_id,
        )
    )


def announce_removed(hypervisor_id: uuid.UUID, reason: str) -> None:
    """Tells the apps above, on commit, that links to the host have to end now."""
    transaction.on_commit(
        partial(signals.hypervisor_removed.send_robust, Hypervisor, hypervisor_id=hypervisor_id, reason=reason)
    )
