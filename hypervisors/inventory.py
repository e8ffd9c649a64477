"""What hosts report, written down and announced. Runs in a thread; talks to the agent outside of any transaction."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from eve_agent.wire import codec
from eve_agent.wire.domain import Domain
from eve_agent.wire.events import Event, EventKind
from eve_agent.wire.host import HostFacts

from . import signals
from .client import AgentClient, clean_words
from .models import Hypervisor, HypervisorState
from .services.hypervisors import announce_edited, hypervisor_state_set

MAX_ITEMS = 4096
"""As many networks, pools, processors, … of a host are kept."""
MAX_NUMBER = 2**63 - 1
SEEN_EVERY = dt.timedelta(seconds=10)


def host_resync(*, hypervisor_id: uuid.UUID, enrolled_at: dt.datetime | None, seconds: float | None = None) -> bool:
    """Asks the host for its facts and all its domains, and announces them; the host is online then.

    Args:
        enrolled_at: names the enrolment for which this is done.
        seconds: what each request may take; None for the client's own limit.

    Returns:
        False, with nothing announced, where that enrolment is not the present one any more, or the hypervisor is gone.

    Raises:
        AgentError: the host did not answer as it should.
    """
    hypervisor = Hypervisor.objects.filter(pk=hypervisor_id, enrolled_at=enrolled_at).first()
    if hypervisor is None:
        return False
    with AgentClient(hypervisor, seconds=seconds) as client:
        facts = client.host_facts()
        offset = facts.time - timezone.now()
        domains = client.domains()
        contract_version = client.contract_version
    plain = facts_as_plain(facts)
    rows = Hypervisor.objects.filter(pk=hypervisor_id, enrolled_at=enrolled_at).exclude(state=HypervisorState.REVOKED)
    is_present = rows.update(
        facts=plain,
        domain_count=len(domains),
        contract_version=contract_version,
        clock_offset_seconds=round(offset.total_seconds()),
        last_seen_at=timezone.now(),
    )
    if not is_present:
        return False
    signals.inventory_seen.send_robust(
        Hypervisor, hypervisor_id=hypervisor_id, domains=tuple({domain.uuid: domain for domain in domains}.values())
    )
    hypervisor_state_set(hypervisor_id=hypervisor_id, state=HypervisorState.ONLINE)
    if _lasting(plain) != _lasting(hypervisor.facts):
        announce_edited(hypervisor_id, hypervisor.site_id, HypervisorState.ONLINE)
    return True


def events_apply(*, hypervisor_id: uuid.UUID, enrolled_at: dt.datetime | None, events: Sequence[Event]) -> None:
    """Announces what changed on a host, in the order in which it said so."""
    now = timezone.now()
    rows = Hypervisor.objects.filter(pk=hypervisor_id, enrolled_at=enrolled_at).exclude(state=HypervisorState.REVOKED)
    if not rows.exists():
        return
    rows.filter(last_seen_at__lt=now - SEEN_EVERY).update(last_seen_at=now)
    for event in events:
        if event.kind is EventKind.DOMAIN_REMOVED and event.domain_uuid is not None:
            signals.domain_vanished.send_robust(Hypervisor, hypervisor_id=hypervisor_id, domain_uuid=event.domain_uuid)
        elif event.kind is EventKind.DOMAIN_CHANGED and event.domain is not None:
            signals.domain_seen.send_robust(Hypervisor, hypervisor_id=hypervisor_id, domain=event.domain)


def event_subject(event: Event) -> uuid.UUID | None:
    """Which domain a domain's event is about; None for others, and where the host contradicts itself."""
    if event.kind is EventKind.DOMAIN_REMOVED:
        return event.domain_uuid
    domain: Domain | None = event.domain
    if event.kind is not EventKind.DOMAIN_CHANGED or domain is None:
        return None
    return domain.uuid if event.domain_uuid in (None, domain.uuid) else None


def facts_as_plain(facts: HostFacts) -> dict[str, Any]:
    """The facts as JSON that is fit to be kept and shown: texts cleaned, lists and numbers bounded."""
    plain = _bounded(codec.to_plain(facts))
    assert isinstance(plain, dict)
    return plain


def _lasting(plain: dict[str, Any]) -> dict[str, Any]:
    """Facts without those that are others whenever one asks."""
    return {name: fact for name, fact in plain.items() if name not in ("time", "memory_free_bytes")}


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return clean_words(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return max(-MAX_NUMBER, min(value, MAX_NUMBER))
    if isinstance(value, dict):
        return {key: _bounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_bounded(item) for item in value[:MAX_ITEMS]]
    return value
