"""What the frame of staff's pages needs: see manage/base.html."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise

from accounts.callers import caller
from accounts.models import User
from accounts.selectors import is_unlimited_staff
from operations.models import ACTIVE_STATES
from operations.selectors import operations_for
from vms.drift import Drift
from vms.people import Asked

DIRECTORY_PAGE = 50


def manage_context(request: HttpRequest, part: str) -> dict[str, Any]:
    """For the page that is called `part` at the side."""
    user = caller(request)
    return {
        "nav": "manage",
        "part": part,
        "is_unlimited": is_unlimited_staff(user),
        "drift_total": Drift(user).total,
        "active_total": operations_for(user).filter(state__in=ACTIVE_STATES).count(),
    }


def search_text(request: HttpRequest) -> str:
    """What is searched for."""
    return request.GET.get("q", "").replace("\0", "").strip()[:200]


def choices_of(named: Mapping[str, tuple[Promise, object]]) -> list[tuple[str, Promise]]:
    """What can be chosen, for a select box."""
    return [(key, label) for key, (label, _what) in named.items()]


def directory_context(
    request: HttpRequest,
    part: str,
    find: Callable[[User, Asked], QuerySet[Any]],
    groups: Mapping[str, tuple[Promise, object]],
    sorts: Mapping[str, tuple[Promise, object]],
) -> dict[str, Any]:
    """For a page of a list of people or projects, as the address asks for it."""
    asked = Asked.of(request.GET, groups, sorts)
    return {
        **manage_context(request, part),
        "page_obj": Paginator(find(caller(request), asked), DIRECTORY_PAGE).get_page(request.GET.get("page")),
        "asked": asked,
        "groups": choices_of(groups),
        "sorts": choices_of(sorts),
    }
