"""From counters to graphs: rates, minutes, quarters of an hour, who sees them."""

from __future__ import annotations

import datetime as dt
import logging
import math
import uuid

import pytest
from django.utils import timezone
from eve_agent.wire.domain import DomainState
from eve_agent.wire.stats import DiskStats, DomainStats, HostStats, NicStats, Stats

from hypervisors.errors import HostAway
from hypervisors.metrics import sampling
from hypervisors.metrics.blocks import FIELDS, UNKNOWN, find, pack, unpack
from hypervisors.metrics.reading import metrics_graph
from hypervisors.metrics.recorder import MOST_SERIES, SAMPLES, Block, Recorder
from hypervisors.metrics.store import block_store, metrics_sweep
from hypervisors.models import MetricBlock
from hypervisors.signals import host_sampled
from tests.hypervisors.conftest import eventually

MINUTE = dt.datetime(2026, 11, 26, 12, 0, tzinfo=dt.UTC)
HOST, GUEST = uuid.uuid4(), uuid.uuid4()


def stats(seconds: float, *, count: int, domains: int = 1) -> Stats:
    """What a host tells at that second; each counter has grown `count` times by as much."""
    guest = DomainStats(
        uuid=GUEST,
        state=DomainState.RUNNING,
        cpu_nanoseconds=count * 15 * 10**9,
        memory_used_bytes=2**30,
        disks=(DiskStats(target="vda", read_bytes=count * 1000), DiskStats(target="vdb", read_bytes=count * 500)),
        nics=(NicStats(mac="52:54:00:00:00:01", received_bytes=count * 200, sent_bytes=count * 100),),
    )
    others = tuple(DomainStats(uuid=uuid.uuid4(), state=DomainState.RUNNING) for _ in range(domains - 1))
    host = HostStats(cpu_busy_nanoseconds=count * 20 * 10**9, memory_bytes=2**34, memory_free_bytes=2**33)
    return Stats(time=MINUTE + dt.timedelta(seconds=seconds), host=host, domains=(guest, *others))


def recorded(*samples: tuple[float, int]) -> Block:
    """The block of these samples: at which second, and the counters' count."""
    recorder = Recorder(HOST)
    for seconds, count in samples:
        recorder.record(stats(seconds, count=count), now=MINUTE + dt.timedelta(seconds=seconds))
    block = recorder.end()
    assert block is not None
    return block


def test_counters_become_rates():
    block = recorded((1, 1), (11, 2))
    first, second = block.series[GUEST][:2]
    assert math.isnan(first[0])
    assert first[1] == 2**30
    assert second == (1.5, 2**30, 150.0, 0.0, 20.0, 10.0)
    assert block.series[HOST][1][:2] == (2.0, 2**33)
    assert block.series[GUEST][2] is UNKNOWN


def test_a_guest_that_does_not_say_what_it_uses_leaves_a_gap():
    """What its process takes on the host is more than the guest has: QEMU's own is in it."""
    silent = DomainStats(uuid=GUEST, state=DomainState.RUNNING, memory_bytes=2**27, memory_resident_bytes=2**28)
    recorder = Recorder(HOST)
    recorder.record(Stats(time=MINUTE, host=HostStats(), domains=(silent,)), now=MINUTE)
    block = recorder.end()
    assert block is not None
    assert math.isnan(block.series[GUEST][0][1])


def test_a_guest_that_began_anew_has_no_rate_once():
    values = recorded((1, 5), (11, 1), (21, 2)).series[GUEST]
    assert math.isnan(values[1][0])
    assert values[2][0] == 1.5


@pytest.mark.parametrize("seconds", [-10, 0, 90])
def test_a_hosts_clock_that_jumps_makes_no_rate(seconds):
    recorder = Recorder(HOST)
    recorder.record(stats(0, count=1), now=MINUTE)
    recorder.record(stats(seconds, count=2), now=MINUTE + dt.timedelta(seconds=10))
    block = recorder.end()
    assert block is not None
    assert math.isnan(block.series[GUEST][1][0])


def test_a_minute_is_handed_over_when_the_next_begins():
    recorder = Recorder(HOST)
    assert recorder.record(stats(1, count=1), now=MINUTE) is None
    ended = recorder.record(stats(61, count=2), now=MINUTE + dt.timedelta(seconds=61))
    assert ended is not None
    assert ended.began_at == MINUTE
    assert len(ended.series[GUEST]) == SAMPLES


def test_a_host_that_claims_too_many_machines_is_not_heard_beyond():
    recorder = Recorder(HOST)
    recorder.record(stats(1, count=1, domains=MOST_SERIES + 5), now=MINUTE)
    block = recorder.end()
    assert block is not None
    assert len(block.series) == MOST_SERIES + 1


def test_what_is_packed_is_found_again_and_huge_figures_stay_finite():
    samples = [(1.5, 2.0**30, 1e300, 0.0, 1.0, 2.0), UNKNOWN]
    payload = pack({HOST: [UNKNOWN, UNKNOWN], GUEST: samples})
    found = find(payload, GUEST, 2)
    assert found is not None
    assert found[0][:2] == (1.5, 2.0**30)
    assert math.isfinite(found[0][2])
    assert all(math.isnan(value) for value in found[1])
    assert find(payload, uuid.uuid4(), 2) is None
    assert [key for key, _ in unpack(payload, 2)] == [HOST, GUEST]
    assert len(payload) == 2 * (16 + 2 * len(FIELDS) * 4)


def minute_ago(cast, minutes: int, cores: float) -> Block:
    """A minute of the acme VM at so many cores."""
    began_at = timezone.now().replace(second=0, microsecond=0) - dt.timedelta(minutes=minutes)
    return Block(began_at, {cast.acme_vm.pk: [(cores, 1.0, 2.0, 3.0, 4.0, 5.0)] * SAMPLES})


def test_graphs_show_what_was_stored(cast, django_assert_num_queries):
    host = cast.hypervisor_here.pk
    block_store(hypervisor_id=host, block=minute_ago(cast, 5, 1.5))
    with django_assert_num_queries(1):
        graph = metrics_graph(hypervisor_id=host, key=cast.acme_vm.pk, range_name="1h")
    assert len(graph.times) == 360
    assert [value for value in graph.columns["cpu_cores"] if value is not None] == [1.5] * SAMPLES
    day = metrics_graph(hypervisor_id=host, key=cast.acme_vm.pk, range_name="24h")
    assert len(day.times) == 288


def test_quarters_are_rolled_up_and_what_is_old_is_swept(cast):
    host = cast.hypervisor_here.pk
    block_store(hypervisor_id=host, block=minute_ago(cast, 40, 9.0))
    MetricBlock.objects.update(began_at=timezone.now() - dt.timedelta(hours=25))
    block_store(hypervisor_id=host, block=minute_ago(cast, 1, 3.0))
    coarse = metrics_graph(hypervisor_id=host, key=cast.acme_vm.pk, range_name="30d")
    assert [value for value in coarse.columns["cpu_cores"] if value is not None] == [9.0]
    assert len(coarse.times) == 2880
    assert MetricBlock.objects.filter(is_coarse=False).count() == 1
    MetricBlock.objects.filter(is_coarse=True).update(began_at=timezone.now() - dt.timedelta(days=31))
    metrics_sweep()
    assert not MetricBlock.objects.filter(is_coarse=True).exists()


def test_the_same_minute_twice_stays_as_it_was_and_a_host_that_is_gone_gets_none(cast):
    host = cast.hypervisor_here.pk
    for cores in (1.0, 2.0):
        block_store(hypervisor_id=host, block=minute_ago(cast, 2, cores))
    block_store(hypervisor_id=uuid.uuid4(), block=minute_ago(cast, 2, 1.0))
    (row,) = MetricBlock.objects.filter(is_coarse=False)
    assert (find(bytes(row.payload), cast.acme_vm.pk, SAMPLES) or [])[0][0] == 1.0


SEES_VM = {"owner", "operator", "viewer", "staff_here", "superuser"}


@pytest.mark.parametrize("part", ["owner", "operator", "viewer", "outsider", "staff_here", "staff_there", "superuser"])
def test_who_sees_metrics(cast, part):
    block_store(hypervisor_id=cast.hypervisor_here.pk, block=minute_ago(cast, 5, 1.5))
    api = cast.api(getattr(cast, part))
    answer = api.get(f"/api/v1/vms/{cast.acme_vm.pk}/metrics?range=1h")
    assert answer.status_code == (200 if part in SEES_VM else 404)
    if part in SEES_VM:
        body = answer.json()
        assert (body["range"], body["step_seconds"]) == ("1h", 10)
        assert set(FIELDS) < set(body)
        assert 1.5 in body["cpu_cores"]
        assert api.get(f"/api/v1/vms/{cast.acme_vm.pk}/metrics?range=9y").status_code == 400
    of_host = api.get(f"/api/v1/hypervisors/{cast.hypervisor_here.pk}/metrics")
    assert of_host.status_code == (200 if part in {"staff_here", "superuser"} else 404)


def test_prometheus_is_told_of_hosts_by_staff_of_all_sites_only(cast, client):
    now = timezone.now().replace(second=0, microsecond=0)
    samples = [UNKNOWN, (2.5, 4.0, 1.0, 2.0, 3.0, 4.0)] + [UNKNOWN] * (SAMPLES - 2)
    block_store(hypervisor_id=cast.hypervisor_here.pk, block=Block(now, {cast.hypervisor_here.pk: samples}))
    client.force_login(cast.staff_everywhere)
    told = client.get("/metrics").content.decode()
    assert f'eve_hypervisor_cpu_cores{{hypervisor="{cast.hypervisor_here.name}"}} 2.5' in told
    assert f'eve_hypervisor_memory_bytes{{hypervisor="{cast.hypervisor_here.name}"}} 4.0' in told
    assert cast.hypervisor_there.name not in told
    client.force_login(cast.staff_here)
    assert client.get("/metrics").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_real_agent_is_sampled_and_what_was_begun_is_kept_at_the_end(agent, watch, monkeypatch):
    monkeypatch.setattr(sampling, "STEP_SECONDS", 0.5)
    asked = []
    ask = sampling._ask
    monkeypatch.setattr(sampling, "_ask", lambda host: asked.append(1) or ask(host))
    announced = []
    hear = lambda hypervisor_id, block, **_: announced.append((hypervisor_id, sorted(block.series)))  # noqa: E731
    host_sampled.connect(hear)
    watching = watch()
    eventually(lambda: len(asked) > 2)
    watching.stop()
    row = MetricBlock.objects.filter(is_coarse=False).latest("began_at")
    series = dict(unpack(bytes(row.payload), SAMPLES))
    assert agent.hypervisor.pk in series
    assert announced
    assert announced[-1] == (agent.hypervisor.pk, sorted(series))
    assert len(series) > 1
    assert any(not math.isnan(sample[0]) for samples in series.values() for sample in samples)


@pytest.mark.django_db(transaction=True)
def test_a_host_that_cannot_be_counted_is_warned_of_once_until_it_was_counted_again(agent, watch, monkeypatch, caplog):
    monkeypatch.setattr(sampling, "STEP_SECONDS", 0.2)
    monkeypatch.setattr(sampling, "PAUSE_SECONDS", 0.1)
    answers = [HostAway("away"), HostAway("still away"), None, HostAway("away again"), HostAway("still away")]
    ask = sampling._ask

    def answer(host):
        if answers and (error := answers.pop(0)) is not None:
            raise error
        return ask(host)

    monkeypatch.setattr(sampling, "_ask", answer)
    caplog.set_level(logging.INFO)
    watch()

    def told() -> list[tuple[str, str]]:
        events = [(record.levelname, record.msg) for record in caplog.records if isinstance(record.msg, dict)]
        return [(level, event["why"]) for level, event in events if event["event"] == "not_sampled"]

    eventually(lambda: len(told()) == 4)
    assert told() == [
        ("WARNING", "away"),
        ("INFO", "still away"),
        ("WARNING", "away again"),
        ("INFO", "still away"),
    ]
