"""What an address asks of a list."""

from __future__ import annotations

import pytest
from django.db.models import Q
from django.http import QueryDict

from common.lists import SEARCH_LENGTH, Asked, Choices, search_text
from common.sentences import gettext_lazy as _

CHOICES = Choices(
    placeholder=_("Name"),
    find=lambda text: Q(name__icontains=text),
    group_name="state",
    groups={"on": ("On", Q(is_on=True))},
    more_names=("from", "to"),
    sorts={"name": ("By name", ("name",)), "new": ("Newest first", ("-at",))},
)


@pytest.mark.parametrize(
    ("text", "searched"),
    [("", ""), ("  web ", "web"), ("we\0b", "web"), (" \0 ", ""), ("x" * 300, "x" * SEARCH_LENGTH)],
)
def test_a_text_that_is_searched_for(text: str, searched: str) -> None:
    assert search_text(text) == searched


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", Asked(sort="name")),
        ("q=web&state=on&sort=new", Asked("web", "on", "new")),
        ("q=%00&state=off&sort=-id", Asked(sort="name")),
        ("group=on", Asked(sort="name")),
        ("from=2026-01-31&to=", Asked(sort="name", more=1)),
    ],
)
def test_what_cannot_be_meant_is_left_out(query: str, asked: Asked) -> None:
    assert CHOICES.asked(QueryDict(query)) == asked


def test_an_order_alone_leaves_nothing_out() -> None:
    assert not Asked(sort="new").is_narrowed
    assert Asked(search="web").is_narrowed
    assert Asked(group="on").is_narrowed
    assert Asked(more=1).is_narrowed


def test_what_narrows_it_besides_the_search_is_counted() -> None:
    assert Asked(search="web", sort="new").folded == 0
    assert Asked(group="on", more=2).folded == 3
