"""Ratios, aims and tables."""

from __future__ import annotations

from benchmarks.relay.report import Aim, Finding, medians, percentile


def finding(**rows: float) -> Finding:
    return Finding("Echo", ["µs"], {name: [value] for name, value in rows.items()})


def test_a_ratio_is_to_the_better_of_those_that_do_the_same() -> None:
    echo = finding(eve=150.0, nginx=100.0, go=120.0, websockify=10.0)
    echo.ratio("µs", "echo", 1.2)
    (aim,) = echo.aims
    assert aim.value == 1.5
    assert not aim.is_met
    assert "150 against 100 of nginx" in str(aim)
    assert str(aim).startswith("MISSED")


def test_without_a_peer_there_is_no_ratio() -> None:
    echo = finding(eve=150.0, websockify=10.0)
    echo.ratio("µs", "echo", 1.2)
    assert echo.aims == []


def test_a_limit_is_eves_own() -> None:
    echo = finding(eve=8.0, nginx=1.0)
    echo.limit("µs", "set-up", 8.0, "ms")
    assert echo.aims == [Aim("set-up", 8.0, 8.0, "ms")]
    assert echo.aims[0].is_met


def test_the_table_has_a_line_for_each_chain_and_aim() -> None:
    echo = finding(eve=1234.5, nginx=0.25)
    echo.limit("µs", "set-up", 8.0, "ms")
    echo.notes.append("by night")
    lines = echo.as_text().splitlines()
    assert lines[0] == "Echo"
    assert [line.split() for line in lines[1:4]] == [["µs"], ["eve", "1234"], ["nginx", "0.25"]]
    assert lines[4].split()[0] == "MISSED"
    assert lines[5].strip() == "by night"
    assert echo.as_plain()["rows"] == {"eve": {"µs": 1234.5}, "nginx": {"µs": 0.25}}


def test_percentiles_and_medians() -> None:
    assert percentile([float(number) for number in range(101)], 0.99) == 99
    assert percentile([5.0], 0.99) == 5
    assert medians([{"a": 1.0, "b": 9.0}, {"a": 3.0, "b": 7.0}, {"a": 2.0, "b": 8.0}]) == {"a": 2.0, "b": 8.0}
