"""What the frame of staff's pages needs: see manage/base.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.callers import caller
from accounts.models import User
from accounts.selectors import is_unlimited_staff
from common.pages import is_part
from operations.models import ACTIVE_STATES
from operations.selectors import operations_for
from vms.drift import Drift


@dataclass(frozen=True, slots=True)
class SideCount:
    """A number beside a link at the side of staff's pages, kept true like any part of a page."""

    name: str
    live: str
    """What changes it, as ``data-live`` (static/eve/live.js)."""
    total: int
    is_bad: bool = False
    """Whether somebody should look."""


def side_counts(user: User, drift: Drift) -> dict[str, SideCount]:
    """All of them, by name; `drift` is the user's."""
    active = operations_for(user).filter(state__in=ACTIVE_STATES).count()
    return {
        "drift": SideCount("drift", "drift vms", drift.total, is_bad=True),
        "operations": SideCount("operations", "operations", active),
    }


def manage_context(request: HttpRequest, part: str, drift: Drift | None = None) -> dict[str, Any]:
    """For the page that is called `part` at the side; with the caller's `drift`, where the page counts it too."""
    user = caller(request)
    side = side_counts(user, drift or Drift(user))
    return {"nav": "manage", "part": part, "is_unlimited": is_unlimited_staff(user), "side": side}


def manage_response(
    request: HttpRequest, part: str, context: Mapping[str, Any], *, page: str, live_part: str
) -> HttpResponse:
    """The page with the template `page`; for ``?part=1`` only `live_part`, which is fetched again when something changed."""
    if is_part(request):
        return render(request, live_part, dict(context))
    return render(request, page, {**manage_context(request, part), **context})
