"""Sentences with somebody's words in them: names that are written from right to left do not mix up the rest.

Whoever translates imports these in place of Django's functions, which they call. What is filled into a sentence by ``%`` is isolated (UAX #9, 3.1:
FIRST STRONG ISOLATE to POP DIRECTIONAL ISOLATE), as ``{% blocktranslate %}`` isolates what is filled into it (common/templatetags/sentences.py), and ``<bdi>`` a name that stands alone on a
page. A text that is written in the direction of its sentence, as most are, stays the very same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from django.utils import translation
from django.utils.functional import lazy
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

ISOLATE = "\N{FIRST STRONG ISOLATE}"
END = "\N{POP DIRECTIONAL ISOLATE}"
JOINERS = frozenset("\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}")
"""What emoji and Persian are written with; unprintable by Python's word, and harmless."""
_OTHER_WAY = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI", "PDF", "PDI"})
"""Bidirectional classes of what can change the order of the text around it."""


def is_shown(character: str) -> bool:
    """Whether a character may be part of a name: no control character, terminal escape, override of direction or lone surrogate."""
    return character.isprintable() or character in JOINERS


def shown(text: str) -> str:
    """`text` without what is no part of a name."""
    return text if text.isprintable() else "".join(filter(is_shown, text))


def is_name(text: str) -> bool:
    """Whether `text` can be a name as it is."""
    return text.isprintable() or all(map(is_shown, text))


def isolated(text: str) -> str:
    """`text`, to be put into a line of text whose order it leaves alone."""
    if text.isascii() or not any(unicodedata.bidirectional(character) in _OTHER_WAY for character in text):
        return f"{ISOLATE}{text}{END}" if text and get_language_bidi() else text
    return f"{ISOLATE}{text}{END}"


def filled_in(value: Any) -> Any:
    """`value` as it is filled into a sentence: numbers and markup as they are, other things isolated."""
    if value is None or isinstance(value, int | float | SafeString):
        return value
    return isolated(str(value))


class Sentence(str):
    """A translated text, which isolates what ``%`` fills into it. What ``str`` makes of it is no sentence any more, which writers of YAML and the like ask for."""

    __slots__ = ()

    def __mod__(self, values: Any) -> str:
        if isinstance(values, Mapping):
            return str.__mod__(self, {name: filled_in(value) for name, value in values.items()})
        if isinstance(values, tuple):
            return str.__mod__(self, tuple(map(filled_in, values)))
        return str.__mod__(self, filled_in(values))


def gettext(message: str) -> str:
    """Django's, as a :class:`Sentence`."""
    return Sentence(translation.gettext(message))


def ngettext(singular: str, plural: str, number: int) -> str:
    """Django's, as a :class:`Sentence`."""
    return Sentence(translation.ngettext(singular, plural, number))


def gettext_lazy(message: str) -> _StrPromise:
    """Django's, as a :class:`Sentence` once it is needed."""
    return cast("_StrPromise", _later(message))


_later = lazy(gettext, str)
