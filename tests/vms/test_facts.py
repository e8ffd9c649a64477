"""What hosts report is made fit to be kept."""

from __future__ import annotations

import json

import pytest
from eve_agent.wire import codec
from eve_agent.wire.domain import Disk, Domain, Graphics, GraphicsKind
from hypothesis import given
from hypothesis import strategies as st

from common.sentences import is_name
from tests.vms.conftest import make_domain
from vms.facts import MAX_ITEMS, MAX_NUMBER, MAX_TEXT, clean_domain, clean_text, display_warnings, domain_of


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("web-01", "web-01"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("a\x00b", "ab"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("lone\ud800surrogate", "lonesurrogate"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("x" * 1000, "x" * MAX_TEXT),
        ("Büro-Server 日本", "Büro-Server 日本"),
        ("👩‍💻 شبکه‌ها", "👩‍💻 شبکه‌ها"),
        ("\u2067oh\u2069 \u200eno", "oh no"),
    ],
)
def test_text_is_bounded_and_printable(given_text, kept):
    assert clean_text(given_text) == kept


@given(st.text(max_size=600))
def test_any_text_can_be_kept(text):
    kept = clean_text(text)
    assert len(kept) <= MAX_TEXT
    assert is_name(kept)
    kept.encode()


def test_a_name_of_nothing_but_escapes_becomes_the_uuid():
    domain = make_domain("\x1b\x00\x07")
    assert clean_domain(domain).name == str(domain.uuid)


def test_numbers_and_lists_end_somewhere():
    domain = make_domain(
        vcpus=10**30, memory_bytes=10**40, disks=tuple(Disk(target=f"d{n}", capacity_bytes=-5) for n in range(1000))
    )
    clean = clean_domain(domain)
    assert clean.vcpus == 2**31 - 1
    assert clean.memory_bytes == MAX_NUMBER
    assert len(clean.disks) == MAX_ITEMS
    assert clean.disks[0].capacity_bytes == 0


def test_facts_come_back_as_they_were_kept():
    domain = clean_domain(make_domain())
    assert domain_of(json.loads(json.dumps(codec.to_plain(domain)))) == domain


def test_facts_that_cannot_be_read_are_none():
    assert domain_of({}) is None
    assert domain_of({"uuid": 3}) is None


def test_an_open_display_is_warned_of():
    loopback = make_domain(graphics=(Graphics(kind=GraphicsKind.VNC, index=0, listen="127.0.0.1"),))
    exposed = make_domain(graphics=(Graphics(kind=GraphicsKind.VNC, index=0, listen="0.0.0.0", is_exposed=True),))
    assert display_warnings("web", codec.to_plain(loopback)) == []
    (warning,) = display_warnings("web", codec.to_plain(exposed))
    assert "web" in warning


def test_every_field_of_a_domain_is_cleaned():
    dirty = "\x1b]0;owned\x07"
    plain = codec.to_plain(make_domain(dirty, reason=dirty, firmware=dirty, disks=(Disk(target=dirty, source=dirty),)))
    kept = json.dumps(codec.to_plain(clean_domain(codec.from_plain(Domain, plain))))
    assert "\\u001b" not in kept
    assert "\\u0007" not in kept
