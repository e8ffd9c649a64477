"""The audit: who did what, to read and to take along."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import AsyncIterator, Iterable
from typing import Final

from asgiref.sync import sync_to_async
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import staff_required
from accounts.audit_details import details_in_words
from accounts.callers import caller
from accounts.models import AuditEvent
from accounts.selectors import audit_events_for
from accounts.services import audit_record
from common.lists import list_context
from vms.lists import AUDIT

from .frames import manage_context

PIECE = 1000
"""As many events of an export are read at once: none is ever held whole."""
COLUMNS: Final = (
    "time",
    "who",
    "action",
    "target_kind",
    "target_id",
    "target",
    "project",
    "address",
    "outcome",
    "request",
    "detail",
)
FIRST_YEAR: Final = 1970
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A spreadsheet takes the full-width ones too."""


@staff_required
@never_cache
@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    """Who did what: everything for staff of all sites, else oneself, one's sites, their hosts and the VMs there."""
    listed = list_context(request, _between(request), AUDIT)
    context = {
        **manage_context(request, "audit"),
        **listed,
        "rows": [(event, details_in_words(event.detail)) for event in listed["page_obj"]],
        "first_day": _day(request, "from"),
        "last_day": _day(request, "to"),
    }
    return render(request, "manage/audit.html", context)


@staff_required
@never_cache
@require_safe
def audit_export(request: HttpRequest) -> StreamingHttpResponse:
    """What the page with the same address shows, all of it, as CSV in UTF-8. That it was taken is in the audit too."""
    now = timezone.now()
    found = AUDIT.found(_between(request).filter(at__lte=now), AUDIT.asked(request.GET))
    audit_record(action="audit.export", actor=caller(request), detail={"query": request.GET.urlencode()[:500]})
    response = StreamingHttpResponse(_lines(found), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="eve-audit-{now:%Y-%m-%d}.csv"'
    return response


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: such a text gets an apostrophe in front."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _between(request: HttpRequest) -> QuerySet[AuditEvent]:
    """All that the caller sees of the days that the address names."""
    found = audit_events_for(caller(request)).select_related("actor", "project")
    if first := _day(request, "from"):
        found = found.filter(at__gte=_midnight(first))
    if last := _day(request, "to"):
        found = found.filter(at__lt=_midnight(last + dt.timedelta(days=1)))
    return found


def _day(request: HttpRequest, name: str) -> dt.date | None:
    """The day that the address names; None for none, and for what is no day that Eve can know of."""
    try:
        day = dt.date.fromisoformat(request.GET.get(name, ""))
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year < dt.MAXYEAR else None


def _midnight(day: dt.date) -> dt.datetime:
    """When the day begins, by the clock that pages show."""
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))


async def _lines(found: QuerySet[AuditEvent]) -> AsyncIterator[bytes]:
    yield _csv([COLUMNS])
    rest: QuerySet[AuditEvent] | None = found.order_by("-at", "id")
    while rest is not None:
        events = await sync_to_async(_piece)(rest)  # in the request's own thread
        yield _csv(_row(event) for event in events)
        rest = None
        if len(events) == PIECE:
            last = events[-1]
            rest = found.filter(Q(at__lt=last.at) | Q(at=last.at, id__gt=last.pk)).order_by("-at", "id")


def _piece(rest: QuerySet[AuditEvent]) -> list[AuditEvent]:
    return list(rest[:PIECE])


def _row(event: AuditEvent) -> tuple[str, ...]:
    return (
        event.at.isoformat(),
        event.actor_label,
        event.action,
        event.target_type,
        event.target_id,
        event.target_label,
        event.project.name if event.project else "",
        event.address or "",
        event.outcome,
        event.request_id,
        "; ".join(f"{name}: {words}" for name, words in details_in_words(event.detail)),
    )


def _csv(rows: Iterable[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode()
