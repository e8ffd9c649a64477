"""Keyboards: which keys type what."""

from __future__ import annotations

import string

import pytest
from eve_agent.wire.keyboard import KeyboardLayout, chords, missing

PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " \n\t"


@pytest.mark.parametrize("layout", KeyboardLayout)
def test_every_keyboard_types_all_of_ascii(layout: KeyboardLayout):
    assert missing(PRINTABLE, layout) == ""
    found = chords(layout)
    assert all(pressed and all(pressed) for pressed in found.values())
    assert len(set(found.values())) == len(found), "no two characters by the same keys"


@pytest.mark.parametrize(
    ("layout", "character", "pressed"),
    [
        ("us", "a", "KeyA"),
        ("us", "Z", "ShiftLeft+KeyZ"),
        ("us", "|", "ShiftLeft+Backslash"),
        ("us", "<", "ShiftLeft+Comma"),
        ("us", "\n", "Enter"),
        ("gb", '"', "ShiftLeft+Digit2"),
        ("gb", "#", "Backslash"),
        ("de", "z", "KeyY"),
        ("de", "/", "ShiftLeft+Digit7"),
        ("de", "@", "AltRight+KeyQ"),
        ("de", "|", "AltRight+IntlBackslash"),
        ("de", "^", "Backquote Space"),
        ("de", "ê", "Backquote KeyE"),
        ("de", "É", "Equal ShiftLeft+KeyE"),
        ("ch", "{", "AltRight+Quote"),
        ("ch", "ü", "BracketLeft"),
        ("fr", "a", "KeyQ"),
        ("fr", "1", "ShiftLeft+Digit1"),
        ("fr", "@", "AltRight+Digit0"),
        ("fr", "ô", "BracketLeft KeyO"),
        ("es", "ñ", "Semicolon"),
        ("it", "@", "AltRight+Semicolon"),
        ("be", "[", "AltRight+BracketLeft"),
        ("se", "~", "AltRight+BracketRight Space"),
        ("pl", "Ł", "AltRight+ShiftLeft+KeyL"),
    ],
)
def test_keys(layout: str, character: str, pressed: str):
    found = chords(KeyboardLayout(layout))[character]
    assert " ".join("+".join(key.code for key in chord) for chord in found) == pressed


def test_what_a_keyboard_lacks_is_named_once():
    assert missing("naïve 🙂 naïve", KeyboardLayout.US) == "ï🙂"
    assert missing("\x1b[2J", KeyboardLayout.US) == "\x1b"


def test_numbers_are_those_of_linux():
    """<linux/input-event-codes.h>"""
    codes = {
        key.code: key.linux for pressed in chords(KeyboardLayout.GB).values() for chord in pressed for key in chord
    }
    known = {"Backquote": 41, "Equal": 13, "KeyQ": 16, "BracketRight": 27, "KeyA": 30, "Quote": 40, "Backslash": 43}
    known |= {"IntlBackslash": 86, "KeyZ": 44, "Slash": 53, "Space": 57, "Enter": 28, "ShiftLeft": 42, "AltRight": 100}
    assert {code: codes[code] for code in known} == known
