"""What lasts and flaps is told once when it began, and once when it is over."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from eve_agent.wire.domain import DomainState

from hypervisors.models import Hypervisor, HypervisorState, Site
from hypervisors.services import hypervisor_state_set
from notifications.models import Condition, Event, Kind, Notice
from notifications.services import spreading
from notifications.services.conditions import STEADY_SECONDS, conditions_settle
from notifications.services.levels import levels_look
from notifications.words import told as words_of
from tests.cast import Cast
from tests.vms.conftest import domain_of_vm
from vms.inventory import domain_apply, host_state_apply
from vms.models import Image, Quota
from vms.services.quotas import quota_set

from .conftest import events

ONLINE, OFFLINE = HypervisorState.ONLINE, HypervisorState.OFFLINE


class Clock:
    """The time, which tests move on."""

    def __init__(self) -> None:
        self.now = timezone.now()

    def __call__(self) -> dt.datetime:
        return self.now

    def on(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("django.utils.timezone.now", clock)
    return clock


def host(cast: Cast, state: HypervisorState) -> None:
    hypervisor_state_set(hypervisor_id=cast.hypervisor_here.pk, state=state, reason="Nothing answers.")


@pytest.fixture(autouse=True)
def seen_before(cast: Cast) -> None:
    Hypervisor.objects.update(last_seen_at=timezone.now())


def test_a_host_that_never_answered_is_not_away(cast: Cast, clock: Clock) -> None:
    Hypervisor.objects.update(last_seen_at=None)
    host(cast, OFFLINE)
    clock.on(3600)
    assert told() == []


def told(kind: Kind = Kind.HOST_AWAY) -> list[bool]:
    conditions_settle()
    return [event.is_over for event in events(kind)]


def test_a_host_that_is_away_is_told_after_a_while_and_once_back_once(cast: Cast, clock: Clock) -> None:
    host(cast, OFFLINE)
    clock.on(59)
    assert told() == []
    clock.on(2)
    assert told() == [False]
    clock.on(3600)
    assert told() == [False]
    host(cast, ONLINE)
    clock.on(299)
    assert told() == [False]
    clock.on(2)
    assert told() == [False, True]
    clock.on(3600)
    assert told() == [False, True]
    assert not Condition.objects.exists()


def test_a_short_absence_is_not_told(cast: Cast, clock: Clock) -> None:
    host(cast, OFFLINE)
    clock.on(20)
    host(cast, ONLINE)
    clock.on(4000)
    assert told() == []
    assert not Condition.objects.exists()


def test_a_flapping_host_is_told_once(cast: Cast, clock: Clock) -> None:
    for _ in range(200):
        host(cast, OFFLINE)
        clock.on(10)
        told()
        host(cast, ONLINE)
        clock.on(10)
        told()
    assert told() == [False]
    clock.on(301)
    assert told() == [False, True]


def test_the_next_episode_is_told_again(cast: Cast, clock: Clock) -> None:
    for _ in range(2):
        host(cast, OFFLINE)
        clock.on(61)
        told()
        host(cast, ONLINE)
        clock.on(301)
        told()
    assert told() == [False, True, False, True]


def test_another_reason_to_be_away_is_the_same_absence(cast: Cast, clock: Clock) -> None:
    host(cast, OFFLINE)
    clock.on(61)
    told()
    host(cast, HypervisorState.LIBVIRT_DOWN)
    clock.on(61)
    host(cast, HypervisorState.REJECTED)
    clock.on(61)
    assert told() == [False]


@pytest.mark.parametrize("case", ["revoked", "deleted"])
def test_a_host_that_was_shut_out_on_purpose_is_not_told(cast: Cast, clock: Clock, case: str) -> None:
    host(cast, OFFLINE)
    if case == "revoked":
        host(cast, HypervisorState.REVOKED)
    else:
        cast.acme_vm.delete()
        Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).delete()
    clock.on(3600)
    assert told() == []
    assert not Condition.objects.exists()


def test_hosts_are_told_to_the_staff_of_their_site(cast: Cast, clock: Clock) -> None:
    host(cast, OFFLINE)
    clock.on(61)
    told()
    spreading.events_spread()
    assert {notice.user for notice in Notice.objects.all()} == {cast.staff_here, cast.staff_everywhere, cast.superuser}
    Site.objects.get(pk=cast.here.pk).staff.clear()
    api = cast.api(cast.staff_here)
    assert api.get("/api/v1/notifications").json()["results"] == []
    assert len(cast.api(cast.superuser).get("/api/v1/notifications").json()["results"]) == 1


# ------------------------------------------------------------------------------------------------ Crashes


def guest(cast: Cast, state: DomainState, reason: str = "") -> None:
    domain_apply(hypervisor_id=cast.hypervisor_here.pk, domain=domain_of_vm(cast.acme_vm, state=state, reason=reason))


def test_a_crash_is_told_at_once_and_a_crash_loop_once(cast: Cast, clock: Clock) -> None:
    for _ in range(50):
        guest(cast, DomainState.RUNNING)
        clock.on(5)
        guest(cast, DomainState.CRASHED)
        clock.on(5)
        conditions_settle()
    assert [(event.target_label, event.project) for event in events(Kind.VM_CRASHED)] == [("acme-web", cast.acme)]
    guest(cast, DomainState.RUNNING)
    clock.on(STEADY_SECONDS + 1)
    guest(cast, DomainState.CRASHED)
    assert len(events(Kind.VM_CRASHED)) == 2


def test_what_its_watchdog_stopped_is_told_as_what_hung(cast: Cast, clock: Clock) -> None:
    guest(cast, DomainState.RUNNING)
    guest(cast, DomainState.PAUSED, "user")
    assert not events(Kind.VM_CRASHED)
    guest(cast, DomainState.RUNNING)
    guest(cast, DomainState.PAUSED, "watchdog")
    (event,) = events(Kind.VM_CRASHED)
    assert event.detail == {"reason": "watchdog"}
    words = words_of(event)
    assert (words.title, words.is_bad) == ("acme-web hung", True)
    assert "resume or reset" in words.text
    clock.on(2 * STEADY_SECONDS)
    conditions_settle()
    guest(cast, DomainState.RUNNING)
    guest(cast, DomainState.PAUSED, "watchdog")
    assert len(events(Kind.VM_CRASHED)) == 1


def test_a_crashed_machine_whose_host_was_away_has_not_crashed_again(cast: Cast, clock: Clock) -> None:
    guest(cast, DomainState.CRASHED)
    host_state_apply(hypervisor_id=cast.hypervisor_here.pk, state=OFFLINE, since=timezone.now())
    clock.on(2 * STEADY_SECONDS)
    conditions_settle()
    guest(cast, DomainState.CRASHED)
    assert len(events(Kind.VM_CRASHED)) == 1


def test_what_runs_costs_no_conditions(cast: Cast) -> None:
    guest(cast, DomainState.OFF)
    guest(cast, DomainState.RUNNING)
    assert not Condition.objects.exists()


# ------------------------------------------------------------------------------------------------ Levels


def limit(cast: Cast, **limits: Any) -> None:
    quota_set(project=cast.acme, user=cast.superuser, limits=limits)


def levels() -> list[tuple[str, int, int]]:
    levels_look()
    return [(event.detail["what"], event.detail["used"], event.detail["limit"]) for event in events(Kind.QUOTA_NEAR)]


def test_a_quota_is_told_once_for_each_level_until_it_falls_below(cast: Cast, settings: Any) -> None:
    settings.QUOTA = dict.fromkeys(settings.QUOTA, 0)
    cast.acme_vm.vcpus = 8
    cast.acme_vm.save()
    limit(cast, vcpus=11)
    assert levels() == []
    limit(cast, vcpus=10)
    assert levels() == levels() == [("vcpus", 8, 10)]
    limit(cast, vcpus=9)
    assert levels() == [("vcpus", 8, 10)]
    limit(cast, vcpus=8)
    assert levels() == levels() == [("vcpus", 8, 10), ("vcpus", 8, 8)]
    limit(cast, vcpus=9)
    assert len(levels()) == 2
    limit(cast, vcpus=8)
    assert len(levels()) == 3  # it fell below, and came back
    limit(cast, vcpus=100)
    assert len(levels()) == 3
    assert not Condition.objects.exists()
    limit(cast, vcpus=10)
    assert len(levels()) == 4


def test_the_share_is_a_setting_and_none_and_nothing_are_no_limits(cast: Cast, settings: Any) -> None:
    settings.QUOTA = dict.fromkeys(settings.QUOTA, 0)
    settings.NOTIFY_QUOTA_PERCENT = 50
    Quota.objects.create(project=cast.acme, vms=2, snapshots=0)
    Image.objects.create(name="public", site=cast.here, size_bytes=2**50)
    assert levels() == [("vms", 1, 2)]


def test_looking_costs_the_same_however_many_projects(cast: Cast, django_assert_max_num_queries: Any) -> None:
    from tests.factories import make_project, make_vm

    for _ in range(20):
        make_vm(make_project(owner=cast.owner), cast.hypervisor_here)
    with django_assert_max_num_queries(8):
        levels_look()


def test_a_certificate_that_ends_is_told_twice_and_a_new_one_is_news_again(cast: Cast, clock: Clock) -> None:
    def looked(days: float) -> list[str]:
        ends = clock.now + dt.timedelta(days=days)
        Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(certificate_expires_at=ends)
        levels_look()
        levels_look()
        return [event.target_label for event in events(Kind.CERTIFICATE_ENDS)]

    assert looked(15) == []
    assert looked(13) == ["hv-here"]
    assert looked(1) == ["hv-here"]
    assert looked(-1) == ["hv-here"] * 2
    assert looked(90) == ["hv-here"] * 2
    assert looked(10) == ["hv-here"] * 3
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(state=HypervisorState.REVOKED)
    levels_look()
    assert Event.objects.filter(kind=Kind.CERTIFICATE_ENDS).count() == 3
