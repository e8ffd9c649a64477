"""Numbers in units, ages in words, badges with shape, word and colour."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest
from django.template import Context, Template
from django.template.loader import render_to_string
from django.utils import timezone, translation

from common.templatetags.eve import (
    ago,
    bytes_in_units,
    exactly,
    grouped,
    host_state_badge,
    initials,
    lasting,
    moment,
    operation_badge,
    state_badge,
)
from hypervisors.models import HypervisorState
from operations.models import OperationState
from vms.models import VmState
from vms.quotas import amount_words

GIB = 1024**3


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (2 * GIB, "2 GiB"),
        (int(29.7 * GIB), "29.7 GiB"),
        (256 * GIB, "256 GiB"),
        (1000 * GIB, "1,000 GiB"),
        (1024 * GIB - 1, "1 TiB"),
        (1024 * GIB, "1 TiB"),
        (None, ""),
        ("nonsense", ""),
    ],
)
def test_bytes(count, words):
    assert bytes_in_units(count) == words


@pytest.mark.parametrize(
    ("language", "count", "amount"), [("en", "1,204", "1,204.5 GiB"), ("de", "1.204", "1.204,5 GiB")]
)
def test_numbers_are_grouped_as_the_language_does_it_wherever_they_stand(language, count, amount):
    with translation.override(language):
        assert grouped(1204) == grouped(1204.0) == amount_words("vms", 1204) == count
        assert amount_words("disk_bytes", int(1204.5 * 2**30)) == amount
        assert amount_words("disk_bytes", 1204 * 2**30) == f"{count} GiB"
        assert amount_words("memory_bytes", 512 * 2**20) == "512 MiB"
    assert grouped(None) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3 * 60 + 5, "3 minutes ago"),
        (3600, "1 hour ago"),
        (2 * 86400, "2 days ago"),
        (70 * 86400, "2 months ago"),
        (-30, "in a moment"),
        (-61 * 86400, "in 2 months"),
    ],
)
def test_ago(seconds, words):
    now = timezone.now()
    html = ago(now - dt.timedelta(seconds=seconds + (0.5 if seconds >= 0 else -0.5)))
    assert f">{words}</time>" in html
    assert "data-ago" in html
    assert 'title="' in html


@pytest.mark.parametrize(
    ("zone", "words"), [("UTC", "27 Nov 2026, 04:12 UTC"), ("Asia/Tokyo", "27 Nov 2026, 13:12 JST")]
)
def test_an_exact_time_names_its_zone(zone, words):
    when = dt.datetime(2026, 11, 27, 4, 12, 30, tzinfo=dt.UTC)
    with timezone.override(zone):
        assert exactly(when) == words
        assert moment(when) == f'<time datetime="2026-11-27T04:12:30+00:00" data-moment>{words}</time>'
        assert f'title="{words}"' in ago(when)


def test_no_time_is_no_text():
    assert ago(None) == ""


@pytest.mark.parametrize(
    ("badge", "states"),
    [(state_badge, VmState), (host_state_badge, HypervisorState), (operation_badge, OperationState)],
)
def test_every_state_has_a_badge_of_its_own(badge, states):
    shown = {state: badge(state.value) for state in states}
    assert len(set(shown.values())) == len(states)
    for html in shown.values():
        assert "<i class=" in html or "<svg" in html, "a shape"


def test_an_unknown_state_is_never_shown_as_off():
    assert state_badge("something new") == state_badge("unknown")
    off = state_badge("off")
    assert 'class="dot ring"' in off
    assert 'class="dot dash"' in state_badge("unknown")
    assert 'class="st away' in state_badge("unknown")
    assert "away" not in off


def test_words_of_others_are_escaped():
    assert "<b>" not in state_badge("running", "", "<b>Starting</b>")


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Jonas Keller", "JK"), ("mara", "M"), ("a.b@example.org", "AO"), ("", ""), ("<script>", "")],
)
def test_initials(name, letters):
    assert initials(name) == letters


def _vm(name: str, state: str) -> SimpleNamespace:
    return SimpleNamespace(pk=1, name=name, state=state)


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        ("off", {"start"}),
        ("running", {"shutdown", "reboot", "suspend", "reset", "stop"}),
        ("paused", {"resume", "reset", "stop"}),
        ("crashed", {"start", "reset", "stop"}),
        ("unknown", set()),
        ("missing", set()),
    ],
)
@pytest.mark.parametrize("split", [True, False])
def test_the_power_menu_offers_what_the_state_allows(state, actions, split):
    html = render_to_string(
        "components/power_menu.html", {"vm": _vm("mail-01", state), "action_url": "/x", "split": split}
    )
    offered = [action for action in actions if f'value="{action}"' in html]
    assert set(offered) == actions
    every = {"start", "shutdown", "stop", "reboot", "reset", "suspend", "resume"}
    for action in every - actions:
        lone = f'value="{action}"'
        assert lone not in html or f"{lone} disabled" in html


def test_the_power_menu_asks_before_it_harms_and_names_the_thing():
    html = render_to_string("components/power_menu.html", {"vm": _vm("<i>x</i>", "running"), "action_url": "/x"})
    assert 'data-confirm-name="&lt;i&gt;x&lt;/i&gt;"' in html
    assert 'data-confirm-title="Pull the plug on {name}?"' in html
    assert "<i>x</i>" not in html


def test_components_take_texts_as_texts():
    html = Template('{% include "components/error.html" with title=text text=text %}').render(
        Context({"text": "<script>x</script>"})
    )
    assert "<script>" not in html


def test_a_button_that_asks_first() -> None:
    page = Template(
        "{% confirm_button url='/end/' label='End…' title=title text='It ends.' verb='End it' keep='Leave it' field='id' value=7 %}"
        "{% confirm_button url='/new/' label='New…' title='New?' text='' verb='New' tone='plain' icon_name='refresh' form_class='acts' %}"
    ).render(Context({"title": 'End "x" <b>?', "csrf_token": "a-token", "name": "not the button's"}))
    first, second = page.split("</form>")[:2]
    assert '<form method="post" action="/end/">' in first
    assert 'data-confirm-title="End &quot;x&quot; &lt;b&gt;?"' in first
    assert '<input type="hidden" name="id" value="7">' in first
    assert 'class="btn sm danger-o"' in first
    assert "aria-label" not in first
    assert '<form class="acts" method="post" action="/new/">' in second
    assert 'class="btn sm"' in second
    assert "data-confirm-keep" not in second
    assert page.count("a-token") == 2


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (3661, "1 hour 1 minute"),
        (3601, "1 hour"),
        (2 * 86400 + 3 * 3600 + 59, "2 days 3 hours"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert lasting(seconds) == words
