"""Keyboards: which keys of a PC keyboard a guest with a given layout takes for a character. Since version 2.

A guest gets keys, not characters, so whoever types for it must know what it makes of them. The rows of :data:`_ROWS` are the legends
of the keys in :data:`_KEYS`, as the layouts of xkeyboard-config and of Windows agree on them: without a modifier, with Shift, with AltGr, with both.
"""

from __future__ import annotations

import enum
import functools
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass


class KeyboardLayout(enum.StrEnum):
    """What a guest takes its keyboard for."""

    US = "us"
    GB = "gb"
    DE = "de"
    CH = "ch"
    """Swiss German."""
    CH_FR = "ch_fr"
    """Swiss French."""
    FR = "fr"
    BE = "be"
    ES = "es"
    IT = "it"
    PT = "pt"
    SE = "se"
    DK = "dk"
    NO = "no"
    FI = "fi"
    PL = "pl"
    """Polish, as programmers have it."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the keyboard."""

    code: str
    """As browsers name it (``KeyboardEvent.code``)."""
    linux: int
    """As Linux and libvirt number it (``KEY_…`` of <linux/input-event-codes.h>)."""


Chord = tuple[Key, ...]
"""Keys that are pressed together, modifiers first."""

SHIFT, ALT_GR = Key("ShiftLeft", 42), Key("AltRight", 100)
SPACE, ENTER, TAB = Key("Space", 57), Key("Enter", 28), Key("Tab", 15)

_NAMES = [
    "Backquote",
    "Digit1",
    "Digit2",
    "Digit3",
    "Digit4",
    "Digit5",
    "Digit6",
    "Digit7",
    "Digit8",
    "Digit9",
    "Digit0",
    "Minus",
    "Equal",
    "KeyQ",
    "KeyW",
    "KeyE",
    "KeyR",
    "KeyT",
    "KeyY",
    "KeyU",
    "KeyI",
    "KeyO",
    "KeyP",
    "BracketLeft",
    "BracketRight",
    "KeyA",
    "KeyS",
    "KeyD",
    "KeyF",
    "KeyG",
    "KeyH",
    "KeyJ",
    "KeyK",
    "KeyL",
    "Semicolon",
    "Quote",
    "Backslash",
    "IntlBackslash",
    "KeyZ",
    "KeyX",
    "KeyC",
    "KeyV",
    "KeyB",
    "KeyN",
    "KeyM",
    "Comma",
    "Period",
    "Slash",
]
_NUMBERS = (41, *range(2, 14), *range(16, 28), *range(30, 41), 43, 86, *range(44, 54))
_KEYS = tuple(map(Key, _NAMES, _NUMBERS))
_MODIFIERS: tuple[Chord, ...] = ((), (SHIFT,), (ALT_GR,), (ALT_GR, SHIFT))
_DEAD = {"ˋ": ("`", "\u0300"), "ˊ": ("´", "\u0301"), "ˆ": ("^", "\u0302"), "˜": ("~", "\u0303"), "¨": ("¨", "\u0308")}
"""A key that waits for a letter: what it is with the space bar, and what it does to a letter."""
_ROWS = {
    KeyboardLayout.US: (
        "`1234567890-=qwertyuiop[]asdfghjkl;'\\ zxcvbnm,./",
        '~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"| ZXCVBNM<>?',
    ),
    KeyboardLayout.GB: (
        "`1234567890-=qwertyuiop[]asdfghjkl;'#\\zxcvbnm,./",
        '¬!"£$%^&*()_+QWERTYUIOP{}ASDFGHJKL:@~|ZXCVBNM<>?',
        "    €                                           ",
    ),
    KeyboardLayout.DE: (
        "ˆ1234567890ßˊqwertzuiopü+asdfghjklöä#<yxcvbnm,.-",
        "°!\"§$%&/()=?ˋQWERTZUIOPÜ*ASDFGHJKLÖÄ'>YXCVBNM;:_",
        "  ²³   {[]}\\ @ €       ¨~            |      µ   ",
    ),
    KeyboardLayout.CH: (
        "§1234567890'ˆqwertzuiopü¨asdfghjklöä$<yxcvbnm,.-",
        '°+"*ç%&/()=?ˋQWERTZUIOPè!ASDFGHJKLéà£>YXCVBNM;:_',
        "  @#   |   ˊ˜  €       []          {}\\      µ   ",
    ),
    KeyboardLayout.CH_FR: (
        "§1234567890'ˆqwertzuiopè¨asdfghjkléà$<yxcvbnm,.-",
        '°+"*ç%&/()=?ˋQWERTZUIOPü!ASDFGHJKLöä£>YXCVBNM;:_',
        "  @#   |   ˊ˜  €       []          {}\\      µ   ",
    ),
    KeyboardLayout.FR: (
        "²&é\"'(-è_çà)=azertyuiopˆ$qsdfghjklmù*<wxcvbn,;:!",
        " 1234567890°+AZERTYUIOP¨£QSDFGHJKLM%µ>WXCVBN?./§",
        "  ~#{[|`\\^@]}  €                    ˋ       ˊ   ",
    ),
    KeyboardLayout.BE: (
        "²&é\"'(§è!çà)-azertyuiopˆ$qsdfghjklmùµ<wxcvbn,;:=",
        "³1234567890°_AZERTYUIOP¨*QSDFGHJKLM%£>WXCVBN?./+",
        " |@#  ^  {}    €       []         ˊ ˋ\\         ˜",
    ),
    KeyboardLayout.ES: (
        "º1234567890'¡qwertyuiopˋ+asdfghjklñˊç<zxcvbnm,.-",
        'ª!"·$%&/()=?¿QWERTYUIOPˆ*ASDFGHJKLÑ¨Ç>ZXCVBNM;:_',
        "\\|@#~  {[]}    €                  ˜         µ   ",
    ),
    KeyboardLayout.IT: (
        "\\1234567890'ìqwertyuiopè+asdfghjklòàù<zxcvbnm,.-",
        '|!"£$%&/()=?^QWERTYUIOPé*ASDFGHJKLç°§>ZXCVBNM;:_',
        "  ²³   {[]}`~  €                  @#ˋ       µˊ  ",
    ),
    KeyboardLayout.PT: (
        "\\1234567890'«qwertyuiop+ˊasdfghjklçº˜<zxcvbnm,.-",
        '|!"#$%&/()=?»QWERTYUIOP*ˋASDFGHJKLÇªˆ>ZXCVBNM;:_',
        "  @£§  {[]}    €       ¨                    µ   ",
    ),
    KeyboardLayout.SE: (
        "§1234567890+ˊqwertyuiopå¨asdfghjklöä'<zxcvbnm,.-",
        '½!"#¤%&/()=?ˋQWERTYUIOPÅˆASDFGHJKLÖÄ*>ZXCVBNM;:_',
        "  @£$€ {[]}\\            ˜            |      µ   ",
    ),
    KeyboardLayout.DK: (
        "½1234567890+ˊqwertyuiopå¨asdfghjklæø'<zxcvbnm,.-",
        '§!"#¤%&/()=?ˋQWERTYUIOPÅˆASDFGHJKLÆØ*>ZXCVBNM;:_',
        "  @£$  {[]} |  €        ˜            \\      µ   ",
    ),
    KeyboardLayout.NO: (
        "|1234567890+\\qwertyuiopå¨asdfghjkløæ'<zxcvbnm,.-",
        '§!"#¤%&/()=?ˋQWERTYUIOPÅˆASDFGHJKLØÆ*>ZXCVBNM;:_',
        "  @£$  {[]} ˊ  €        ˜                   µ   ",
    ),
    KeyboardLayout.FI: (
        "§1234567890+ˊqwertyuiopå¨asdfghjklöä'<zxcvbnm,.-",
        '½!"#¤%&/()=?ˋQWERTYUIOPÅˆASDFGHJKLÖÄ*>ZXCVBNM;:_',
        "  @£$€ {[]}\\            ˜            |      µ   ",
    ),
    KeyboardLayout.PL: (
        "`1234567890-=qwertyuiop[]asdfghjkl;'\\ zxcvbnm,./",
        '~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"| ZXCVBNM<>?',
        "     €         ę     ó   ąś      ł    żźć  ń    ",
        "               Ę     Ó   ĄŚ      Ł    ŻŹĆ  Ń    ",
    ),
}


@functools.cache
def chords(layout: KeyboardLayout) -> Mapping[str, tuple[Chord, ...]]:
    """What to press, one chord after the other, for each character that the layout has."""
    found: dict[str, tuple[Chord, ...]] = {"\n": ((ENTER,),), "\t": ((TAB,),), " ": ((SPACE,),)}
    dead: dict[str, Chord] = {}
    for modifiers, row in zip(_MODIFIERS, _ROWS[layout], strict=False):
        for key, legend in zip(_KEYS, row, strict=True):
            chord = (*modifiers, key)
            if legend in _DEAD:
                dead.setdefault(legend, chord)
            elif legend != " ":
                found.setdefault(legend, (chord,))
    letters = {character: pressed for character, pressed in found.items() if character.isalpha()}
    for legend, chord in dead.items():
        alone, accent = _DEAD[legend]
        found.setdefault(alone, (chord, (SPACE,)))
        for letter, pressed in letters.items():
            composed = unicodedata.normalize("NFC", letter + accent)
            if len(composed) == 1:
                found.setdefault(composed, (chord, *pressed))
    return found


def missing(text: str, layout: KeyboardLayout) -> str:
    """The characters of `text` that the layout does not have, each once."""
    known = chords(layout)
    return "".join(dict.fromkeys(character for character in text if character not in known))
