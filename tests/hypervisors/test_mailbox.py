"""Events of a host, before they are written down: bounded, however fast it talks."""

from __future__ import annotations

import uuid

from eve_agent.wire.domain import Domain, DomainState
from eve_agent.wire.events import Event, EventKind

from hypervisors.mailbox import BURST, EVENTS_PER_SECOND, LISTINGS_BURST, MAX_WAITING, RETRY_SECONDS, Mailbox


def changed(number: int, state: DomainState = DomainState.RUNNING) -> Event:
    domain = Domain(uuid.UUID(int=number), "vm", state, 1, 1)
    return Event(EventKind.DOMAIN_CHANGED, domain_uuid=domain.uuid, domain=domain)


def listed(now: float = 0.0) -> Mailbox:
    """A mailbox whose first listing was done at `now`."""
    mailbox = Mailbox(resync_seconds=60, now=now)
    assert mailbox.take(now).is_listing
    mailbox.listed(now, is_complete=True)
    return mailbox


def test_the_first_listing_is_due_at_once_and_the_next_in_time():
    mailbox = listed()
    assert mailbox.take(1).wait_seconds == 59
    assert mailbox.take(60).is_listing


def test_of_each_domain_the_newest_counts_in_the_order_of_the_newest():
    mailbox = listed()
    mailbox.put(changed(1))
    mailbox.put(changed(2))
    mailbox.put(changed(1, DomainState.OFF))
    mailbox.put(Event(EventKind.DOMAIN_REMOVED, domain_uuid=uuid.UUID(int=2)))
    events = mailbox.take(1).events
    assert [(event.kind, event.domain and event.domain.state) for event in events] == [
        (EventKind.DOMAIN_CHANGED, DomainState.OFF),
        (EventKind.DOMAIN_REMOVED, None),
    ]


def test_what_is_unknown_or_contradicts_itself_is_ignored():
    mailbox = listed()
    mailbox.put(Event(EventKind.UNKNOWN, domain_uuid=uuid.UUID(int=1)))
    mailbox.put(Event(EventKind.DOMAIN_CHANGED))
    mailbox.put(Event(EventKind.DOMAIN_REMOVED))
    mailbox.put(Event(EventKind.DOMAIN_CHANGED, domain_uuid=uuid.UUID(int=2), domain=changed(1).domain))
    assert mailbox.take(1).events == ()


def test_a_flood_of_one_domain_is_written_at_a_bounded_rate():
    mailbox, count = listed(), 0
    for tick in range(1000):
        mailbox.put(changed(1))
        count += len(mailbox.take(tick / 100).events)
    assert count <= BURST + 10 * EVENTS_PER_SECOND
    assert count >= 10 * EVENTS_PER_SECOND


def test_a_flood_of_many_domains_becomes_a_listing():
    mailbox, listings, most = listed(), 0, 0
    for tick in range(100_000):
        mailbox.put(changed(tick))
        most = max(most, len(mailbox._waiting))
        if tick % 1000 == 0 and mailbox.take(tick / 10_000).is_listing:
            listings += 1
            mailbox.listed(tick / 10_000, is_complete=True)
    assert most <= MAX_WAITING
    assert 1 <= listings <= LISTINGS_BURST + 10 * 0.2


def test_a_libvirt_that_flaps_does_not_cause_a_listing_each_time():
    mailbox, listings = listed(), 0
    for tick in range(1000):
        mailbox.put(Event(EventKind.LIBVIRT_DOWN if tick % 2 else EventKind.LIBVIRT_UP))
        if mailbox.take(tick / 100).is_listing:
            listings += 1
            mailbox.listed(tick / 100, is_complete=True)
    assert 1 <= listings <= LISTINGS_BURST + 10 * 0.2 + 1


def test_overflow_and_libvirts_return_list_at_once():
    for kind in (EventKind.OVERFLOW, EventKind.LIBVIRT_UP, EventKind.LIBVIRT_DOWN):
        mailbox = listed()
        mailbox.put(changed(1))
        mailbox.put(Event(kind))
        batch = mailbox.take(0.5)
        assert batch.is_listing
        assert batch.events == ()


def test_a_listing_in_vain_is_tried_again_later():
    mailbox = listed()
    mailbox.put(Event(EventKind.LIBVIRT_DOWN))
    assert mailbox.take(1).is_listing
    mailbox.listed(1.5, is_complete=False)
    assert mailbox.take(1.6).wait_seconds == 1.5 + RETRY_SECONDS - 1.6
    assert mailbox.take(1.5 + RETRY_SECONDS).is_listing


def test_events_during_a_listing_wait_for_its_end():
    mailbox = Mailbox(resync_seconds=60, now=0)
    assert mailbox.take(0).is_listing
    mailbox.put(changed(1))
    mailbox.listed(1, is_complete=True)
    assert len(mailbox.take(1).events) == 1


def test_a_libvirt_that_comes_back_during_a_listing_in_vain_is_listed_at_once():
    mailbox = listed()
    mailbox.put(Event(EventKind.LIBVIRT_DOWN))
    assert mailbox.take(1).is_listing
    mailbox.put(Event(EventKind.LIBVIRT_UP))
    mailbox.listed(1.5, is_complete=False)
    assert mailbox.take(1.5).is_listing
