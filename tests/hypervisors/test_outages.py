"""When hosts were away: written with their states, bounded, told on pages and as alerts."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.utils import timezone

from hypervisors.models import Hypervisor, HypervisorState, Outage
from hypervisors.services import hypervisor_state_set, outages
from tests.cast import Cast

pytestmark = pytest.mark.django_db
OFFLINE, ONLINE, REJECTED = HypervisorState.OFFLINE, HypervisorState.ONLINE, HypervisorState.REJECTED


@pytest.fixture
def host(cast: Cast) -> Hypervisor:
    """One that is online."""
    hypervisor_state_set(hypervisor_id=cast.hypervisor_here.pk, state=ONLINE)
    return cast.hypervisor_here


def state(host: Hypervisor, state: HypervisorState, reason: str = "") -> None:
    hypervisor_state_set(hypervisor_id=host.pk, state=state, reason=reason)


def words(cast: Cast, address: str) -> str:
    html = cast.pages(cast.staff_here).get(address).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_it_lasts_until_the_host_is_back(host: Hypervisor) -> None:
    state(host, OFFLINE, "No route.")
    state(host, OFFLINE, "Still no route.")
    outage = Outage.objects.get(hypervisor=host)
    assert (outage.state, outage.reason, outage.ended_at) == ("offline", "No route.", None)
    state(host, REJECTED, "Somebody else answers.")
    state(host, ONLINE)
    state(host, ONLINE)
    outage = Outage.objects.get(hypervisor=host)
    assert (outage.state, outage.reason) == ("rejected", "Somebody else answers.")
    assert outage.ended_at is not None
    state(host, OFFLINE)
    assert Outage.objects.filter(hypervisor=host).count() == 2


def test_a_host_that_was_never_there_is_not_away(cast: Cast) -> None:
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(state=HypervisorState.NEW)
    state(cast.hypervisor_here, OFFLINE)
    assert not Outage.objects.exists()


def test_the_newest_are_kept(host: Hypervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "OUTAGES_KEPT", 3)
    for number in range(5):
        state(host, OFFLINE, f"time {number}")
        state(host, ONLINE)
    kept = Outage.objects.filter(hypervisor=host).order_by("began_at")
    assert [outage.reason for outage in kept] == ["time 2", "time 3", "time 4"]


def test_the_hosts_page_has_them_and_its_remarks(cast: Cast, host: Hypervisor) -> None:
    address = f"/manage/hypervisors/{host.pk}/"
    assert "Not once" in words(cast, address)
    assert "Never away" in words(cast, f"{address}outages/")
    Hypervisor.objects.filter(pk=host.pk).update(remarks="Third rack")
    now = timezone.now()
    ended = now - dt.timedelta(days=2) + dt.timedelta(hours=2, minutes=14)
    Outage.objects.create(
        hypervisor=host, state=OFFLINE, reason="No route.", began_at=now - dt.timedelta(days=2), ended_at=ended
    )
    state(host, OFFLINE)
    text = words(cast, address)
    assert "Third rack" in text
    assert "2 hours 14 minutes" in text
    assert "1 second so far" in text
    listed = words(cast, f"{address}outages/?q=route")
    assert "No route." in listed
    assert "2 hours 14 minutes" in listed
    assert "still away" not in listed
    for user in (cast.staff_there, cast.owner):
        assert cast.pages(user).get(f"{address}outages/").status_code == 404


def test_a_host_that_comes_and_goes_is_an_alert(cast: Cast, host: Hypervisor) -> None:
    def codes() -> list[str]:
        return [alert["code"] for alert in cast.api(cast.staff_here).get("/api/v1/alerts").json()]

    Outage.objects.create(
        hypervisor=host, state=OFFLINE, began_at=timezone.now() - dt.timedelta(days=3), ended_at=timezone.now()
    )
    for _ in range(2):
        state(host, OFFLINE)
        state(host, ONLINE)
    assert "host_unsteady" not in codes()
    state(host, OFFLINE)
    state(host, ONLINE)
    assert codes() == ["host_unsteady"]
    assert "was away 3 times in the last 24 hours" in words(cast, "/manage/")
