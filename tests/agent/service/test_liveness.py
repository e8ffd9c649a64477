"""The arithmetic of pings and stalls, on a clock of our own."""

from __future__ import annotations

from eve_agent.service.liveness import PING_COST_BYTES, DisplayPulse, Pace, Verdict, ViewerPulse

PACE = Pace()


def verdicts(pulse: ViewerPulse, until: int, *, acknowledged=lambda _now: 0, waiting: int = 0, listens: bool = True):
    """(second, verdict) of every tick that is not FINE."""
    found = []
    now = 0.0
    while now < until:
        now += PACE.tick_seconds
        verdict = pulse.check(now, acknowledged_bytes=acknowledged(now), waiting_bytes=waiting, is_listening=listens)
        if verdict is not Verdict.FINE:
            found.append((now, verdict))
        if verdict is Verdict.STALLED:
            break
    return found


def test_a_silent_viewer_is_pinged_and_then_stalled_within_45_seconds():
    assert verdicts(ViewerPulse(PACE, 0), 100) == [(20, Verdict.PING), (40, Verdict.STALLED)]


def test_death_right_after_a_pong_is_noticed_within_45_seconds():
    for last in range(200):
        pulse = ViewerPulse(PACE, 0)
        now = 0.0
        while now < last / 10:
            now += PACE.tick_seconds
            pulse.check(now, acknowledged_bytes=0, waiting_bytes=0, is_listening=True)
        pulse.received(now)
        died_at = now
        while pulse.check(now, acknowledged_bytes=0, waiting_bytes=0, is_listening=True) is not Verdict.STALLED:
            now += PACE.tick_seconds
            assert now < died_at + 60
        assert now - died_at <= 45


def test_acknowledged_pings_prove_nobody_behind_the_kernel():
    found = verdicts(ViewerPulse(PACE, 0), 100, acknowledged=lambda now: int(now // 20) * PING_COST_BYTES)
    assert found[-1][1] is Verdict.STALLED


def test_a_slow_reader_lives():
    found = verdicts(ViewerPulse(PACE, 0), 600, acknowledged=lambda now: int(now * 16384), waiting=250_000)
    assert found == []


def test_a_reader_that_stopped_is_stalled():
    found = verdicts(ViewerPulse(PACE, 0), 100, acknowledged=lambda _now: 5_000_000, waiting=250_000)
    assert found == [(42.5, Verdict.STALLED)]


def test_pongs_are_not_missed_while_nobody_listens():
    found = verdicts(ViewerPulse(PACE, 0), 300, listens=False)
    assert {verdict for _, verdict in found} == {Verdict.PING}


def test_a_display_that_takes_nothing():
    pulse = DisplayPulse(PACE, 0)
    assert pulse.check(10, waiting_bytes=0) is Verdict.FINE
    assert pulse.check(12.5, waiting_bytes=100) is Verdict.FINE
    assert pulse.check(45, waiting_bytes=100) is Verdict.FINE
    assert pulse.check(47.5, waiting_bytes=99) is Verdict.FINE
    assert pulse.check(85, waiting_bytes=99) is Verdict.FINE
    assert pulse.check(90, waiting_bytes=99) is Verdict.STALLED
