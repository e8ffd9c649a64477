"""Small readings of libvirt's answers and of the host's files."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from eve_agent.driver import machine
from eve_agent.driver.counters import interface_names, read_domain_stats
from eve_agent.driver.readings import capacities, clean_words, received, version_text
from eve_agent.errors import ActionRefused
from eve_agent.wire.domain import DomainState


class Stream:
    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.end = ""

    def recv(self, _size: int) -> bytes:
        return self.chunks.pop(0) if self.chunks else b""

    def finish(self) -> None:
        self.end = "finished"

    def abort(self) -> None:
        self.end = "aborted"


def test_versions():
    assert version_text(9_000_000) == "9.0.0"
    assert version_text(7_002_022) == "7.2.22"


def test_words_of_a_guest_are_one_harmless_line():
    assert clean_words("no\x1b[31m\r\nway\0") == "no [31m  way"
    assert len(clean_words("x" * 10_000)) == 300


def test_capacities():
    stats = {
        "block.count": 3,
        "block.0.name": "vda",
        "block.0.capacity": 7,
        "block.1.name": "sda",
        "block.2.name": "vdb",
    }
    assert capacities(stats) == {"vda": 7}
    assert capacities({}) == {}


def test_a_stream_up_to_its_limit():
    stream = Stream(b"ab", b"c")
    assert received(stream, limit_bytes=3) == b"abc"
    assert stream.end == "finished"

    stream = Stream(b"ab", b"cd")
    with pytest.raises(ActionRefused):
        received(stream, limit_bytes=3)
    assert stream.end == "aborted"


def test_bridges_and_kvm(tmp_path: Path):
    for name in ("br1", "br0"):
        (tmp_path / name / "bridge").mkdir(parents=True)
    (tmp_path / "eth0" / "device").mkdir(parents=True)

    assert machine.bridges(tmp_path) == ("br0", "br1")
    assert machine.bridges(tmp_path / "none") == ()
    assert machine.has_kvm(Path("/dev/null"))
    assert not machine.has_kvm(tmp_path)


def test_a_card_without_an_end_on_the_host_is_counted_without_a_name():
    """As libvirt tells of QEMU's user network: the card counts, and has no name and no counters."""
    stats = {"net.count": 2, "net.1.name": "vnet3", "net.1.rx.bytes": 5}
    assert interface_names(stats) == {"vnet3"}
    assert interface_names({}) == frozenset()
    read = read_domain_stats(uuid.uuid4(), DomainState.RUNNING, stats, macs={"vnet3": "52:54:00:00:00:01"})
    assert [(nic.mac, nic.interface, nic.received_bytes) for nic in read.nics] == [
        ("", "", 0),
        ("52:54:00:00:00:01", "vnet3", 5),
    ]


@pytest.mark.parametrize(
    ("told", "used_kib"),
    [
        ({"balloon.available": 100_000, "balloon.usable": 60_000, "balloon.unused": 10_000}, 40_000),
        ({"balloon.available": 100_000, "balloon.unused": 10_000}, 90_000),
        ({"balloon.available": 150_000, "balloon.usable": 10_000}, 131_072),
        ({"balloon.available": 100_000}, 0),
        ({"balloon.usable": 60_000}, 0),
        ({}, 0),
    ],
)
def test_what_a_guest_uses_is_what_it_says_and_no_more_than_it_has(told: dict[str, int], used_kib: int):
    stats = {"balloon.current": 131_072, "balloon.maximum": 131_072, "balloon.rss": 223_000, **told}
    read = read_domain_stats(uuid.uuid4(), DomainState.RUNNING, stats, macs={})
    assert read.memory_used_bytes == used_kib * 1024
    assert read.memory_resident_bytes == 223_000 * 1024
