"""The parser takes libvirt's XML and nothing that reaches out of it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from eve_agent.driver.xml import MalformedXml, parse
from eve_agent.driver.xml.parse import attribute_at, bytes_at, text_at, whole
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree


def test_an_external_entity_is_refused(tmp_path: Path):
    canary = tmp_path / "canary"
    canary.write_text("CANARY")
    text = f'<!DOCTYPE domain [<!ENTITY x SYSTEM "file://{canary}">]><domain><name>&x;</name></domain>'

    with pytest.raises(MalformedXml, match="document type"):
        parse(text, root="domain")


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE domain><domain/>",
        '<!DOCTYPE domain SYSTEM "http://127.0.0.1:9/x.dtd"><domain/>',
        '<!DOCTYPE domain [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><domain>&b;</domain>',
        "<domain>",
        "",
        "<domain>\x00</domain>",
        "<domain>\ud800</domain>",
        "<network/>",
        "<domain/><domain/>",
        "<d>" * 300 + "</d>" * 300,
    ],
    ids=["type", "dtd", "bomb", "open", "empty", "nul", "surrogate", "other-root", "two-roots", "deep"],
)
def test_what_is_refused(text: str):
    with pytest.raises(MalformedXml):
        parse(text, root="domain")


def test_comments_and_instructions_are_not_there():
    element = parse("<domain><!-- a --><?b c?><name> x </name></domain>", root="domain")

    assert [child.tag for child in element] == ["name"]
    assert text_at(element, "name") == "x"


def test_readings_of_what_is_not_there():
    element = parse("<domain/>", root="domain")

    assert text_at(element, "name") == ""
    assert attribute_at(element, "os/loader", "type") == ""
    assert bytes_at(element, "memory") == 0


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ("<memory>1</memory>", 1024),
        ("<memory unit='KiB'>131072</memory>", 128 * 2**20),
        ("<memory unit='b'>7</memory>", 7),
        ("<memory unit='GiB'> 2 </memory>", 2 * 2**30),
        ("<memory unit='MB'>3</memory>", 3_000_000),
        ("<memory unit='parsec'>3</memory>", 0),
        ("<memory unit='KiB'>many</memory>", 0),
    ],
)
def test_sizes(memory: str, expected: int):
    assert bytes_at(parse(f"<domain>{memory}</domain>", root="domain"), "memory") == expected


@pytest.mark.parametrize(("text", "expected"), [("7", 7), ("", 9), (None, 9), ("7 apples", 9)])
def test_whole_numbers(text: str | None, expected: int):
    assert whole(text, 9) == expected


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("<>&'\"\t\n")))
def test_any_text_survives_and_stays_text(name: str):
    domain = etree.Element("domain")
    etree.SubElement(domain, "name").text = name

    read = parse(etree.tostring(domain, encoding="unicode"), root="domain")

    assert text_at(read, "name") == name.strip()
    assert len(read) == 1


@given(st.text())
def test_any_text_is_read_or_refused(text: str):
    with contextlib.suppress(MalformedXml):
        parse(text, root="domain")
