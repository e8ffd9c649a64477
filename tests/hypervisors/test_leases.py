"""Which watcher watches which host."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connection
from django.utils import timezone

from hypervisors.leases import leases_release, leases_take
from hypervisors.models import Hypervisor, HypervisorState, Site, Watcher


@pytest.fixture
def hosts(db: None) -> list[Hypervisor]:
    """Ten that are enrolled; beside them, one that is not and one that is revoked."""
    site = Site.objects.create(name="here")
    make = Hypervisor.objects.create
    make(name="new", site=site, address="a:1")
    make(name="revoked", site=site, address="a:1", certificate_fingerprint="f" * 64, state=HypervisorState.REVOKED)
    return [make(name=f"hv{n}", site=site, address="a:1", certificate_fingerprint=f"{n:064}") for n in range(10)]


def names(watcher: str) -> set[str]:
    return {assignment.name for assignment in leases_take(watcher=watcher)}


def test_one_watcher_has_all_enrolled_hosts(hosts):
    assert names("a") == {host.name for host in hosts}


def test_several_share_and_nobody_has_the_same(hosts):
    names("a")
    names("b")
    first = names("a")
    second = names("b")
    assert (len(first), len(second)) == (5, 5)
    assert not first & second
    names("c")
    shares = [names("a"), names("b"), names("c")]
    shares = [names("a"), names("b"), names("c")]
    assert sorted(len(share) for share in shares) == [2, 4, 4]
    assert set.union(*shares) == {host.name for host in hosts}


def test_what_is_given_back_is_taken_at_once(hosts):
    names("a")
    names("b")
    names("a")
    names("b")
    leases_release(watcher="a")
    assert len(names("b")) == 10


def test_what_a_killed_watcher_held_is_taken_when_its_lease_ends(hosts):
    names("a")
    assert names("b") == set()
    past = timezone.now() - dt.timedelta(seconds=1)
    Hypervisor.objects.filter(watcher="a").update(watcher_lease_until=past)
    Watcher.objects.filter(name="a").update(seen_until=past)
    assert len(names("b")) == 10


def test_leases_are_renewed_in_time(hosts):
    names("a")
    soon = timezone.now() + dt.timedelta(seconds=3)
    Hypervisor.objects.filter(watcher="a").update(watcher_lease_until=soon)
    names("a")
    assert Hypervisor.objects.filter(watcher="a", watcher_lease_until__gt=soon).count() == 10


def test_a_quiet_second_costs_two_queries(hosts, django_assert_num_queries):
    names("a")
    with django_assert_num_queries(2):
        names("a")


@pytest.mark.django_db(transaction=True)
def test_many_at_once_never_hold_the_same_host(hosts):
    held: list[set[str]] = []
    barrier = threading.Barrier(6)

    def run(name: str) -> None:
        barrier.wait()
        try:
            held.append(names(name))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 6
    assert sum(len(share) for share in held) == len(set.union(*held))
