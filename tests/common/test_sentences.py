"""Names in sentences leave the order of the rest alone."""

from __future__ import annotations

import pytest
from django.template import Context, Template
from django.utils import translation
from django.utils.safestring import mark_safe

from common.sentences import END, ISOLATE, gettext, gettext_lazy, is_name, isolated, ngettext, shown

HEBREW = "שרת-7"
ARABIC = "خادم (2)"


@pytest.mark.parametrize("name", ["web-01", "Zoë", "日本", "👩‍💻", ""])
def test_a_name_in_the_direction_of_its_sentence_stays_what_it_is(name):
    assert isolated(name) == name
    assert gettext("%(name)s has crashed") % {"name": name} == f"{name} has crashed"


@pytest.mark.parametrize("name", [HEBREW, ARABIC, "evil\u202egnp.exe"])
def test_one_of_the_other_direction_is_isolated(name):
    assert isolated(name) == f"{ISOLATE}{name}{END}"


def test_in_a_language_from_right_to_left_every_name_is_isolated():
    with translation.override("he"):
        assert isolated("web-01") == f"{ISOLATE}web-01{END}"


@pytest.mark.parametrize("words", [gettext, gettext_lazy])
def test_what_is_filled_into_a_sentence_is_isolated(words):
    told = words("%(who)s has %(count)d of %(what)s") % {"who": HEBREW, "count": 3, "what": "disks"}
    assert told == f"{ISOLATE}{HEBREW}{END} has 3 of disks"
    assert words("%s and %s") % (HEBREW, "web-01") == f"{ISOLATE}{HEBREW}{END} and web-01"
    assert words("%s") % HEBREW == f"{ISOLATE}{HEBREW}{END}"


def test_counts_choose_the_form():
    assert ngettext("%(name)s has %(n)d disk", "%(name)s has %(n)d disks", 2) % {"name": HEBREW, "n": 2} == (
        f"{ISOLATE}{HEBREW}{END} has 2 disks"
    )


def test_a_sentence_in_a_sentence_keeps_its_names_isolated():
    inner = gettext("%(name)s is off") % {"name": HEBREW}
    assert gettext("It says: %(why)s.") % {"why": inner} == f"It says: {ISOLATE}{inner}{END}."


def test_as_a_text_it_is_a_text():
    assert type(str(gettext("Off"))) is str
    assert type(str(gettext_lazy("Off"))) is str


def test_templates_isolate_too_but_no_markup():
    source = "{% blocktranslate with name=name made=made %}{{ name }} since {{ made }}{% endblocktranslate %}"
    told = Template(source).render(Context({"name": f"{HEBREW}<", "made": mark_safe(f"<time>{HEBREW}</time>")}))
    assert told == f"{ISOLATE}{HEBREW}&lt;{END} since <time>{HEBREW}</time>"
    assert Template("{{ name|isolated }}").render(Context({"name": HEBREW})) == f"{ISOLATE}{HEBREW}{END}"


@pytest.mark.parametrize("name", ["web-01", "👩‍💻", "شبکه‌ها", HEBREW])
def test_what_can_be_read_is_a_name(name):
    assert is_name(name)
    assert shown(name) == name


@pytest.mark.parametrize("character", ["\x1b", "\n", "\u202e", "\u2069", "\u200f", "\ud800"])
def test_what_cannot_be_seen_is_none(character):
    assert not is_name(f"web{character}01")
    assert shown(f"web{character}01") == "web01"
