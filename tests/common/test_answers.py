"""What an answer was made of is gone with it, without the collector."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from django.shortcuts import render
from django.test import RequestFactory

from tests.cast import Cast
from vms.models import Vm


class Shown:
    """Something on a page."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_page_goes_with_what_it_shows(no_collector: None, rf: RequestFactory) -> None:
    shown = Shown()
    seen = weakref.ref(shown)
    render(rf.get("/"), "components/nothing_found.html", {"shown": shown})
    del shown
    assert seen() is None


@pytest.mark.django_db
def test_an_answer_goes_with_its_rows(cast: Cast, no_collector: None) -> None:
    api: Any = cast.api(cast.owner)
    before = _count()
    assert api.get("/api/v1/vms").json()["results"]
    assert _count() == before


def _count() -> int:
    return sum(type(each) is Vm for each in gc.get_objects())
