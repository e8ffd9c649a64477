"""The doctor's page."""

from __future__ import annotations

import ipaddress
import uuid
from typing import Final

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.callers import caller
from common.arrival import Arrival
from consoles.doctor.echo import SUBPROTOCOL, probe_in
from consoles.doctor.examples import examples
from consoles.doctor.findings import FINDINGS
from consoles.doctor.way_in import NOT_UPGRADED, handshake_note, probe_belongs_to
from consoles.selectors import vm_for_console
from hypervisors.selectors import hypervisor_for
from vms.models import Vm
from vms.views.parts import page_context

SEEN_BY_THE_PAGE: Final = (
    "unreachable",
    "answer_not_eves",
    "post_refused",
    "subprotocol_lost",
    "no_first_bytes",
    "held_back",
    "bytes_changed",
    "broke_off",
    "slow_line",
    "cut_short",
    "cut_though_pinged",
    "dead_line",
    "ticket_refused",
    "screen_refused",
    "screen_silent",
    "screen_not_rfb",
)
"""What the page finds by itself; the rest Eve tells it."""


@require_safe
@login_required
@never_cache
def doctor(request: HttpRequest, vm_id: uuid.UUID) -> HttpResponse:
    """Tests the way to the VM's screen. Its script does all of it, and begins at once."""
    vm = _vm(request, vm_id)
    arrival = Arrival.of_request(request)
    is_theirs = hypervisor_for(caller(request), vm.hypervisor_id) is not None
    context = {
        **page_context(request, nav="vms"),
        "vm": vm,
        "is_theirs": is_theirs,
        "subprotocol": SUBPROTOCOL,
        "found_by_page": {code: FINDINGS[code] for code in SEEN_BY_THE_PAGE},
        "examples": examples(
            page=settings.PUBLIC_URL,
            peer=arrival.peer if is_theirs and arrival.is_forwarded else "",
            upstream=_upstream() if is_theirs else "",
        ),
    }
    return render(request, "consoles/doctor.html", context)


@require_safe
@login_required
@never_cache
def not_upgraded(request: HttpRequest, vm_id: uuid.UUID) -> HttpResponse:
    """Where the doctor's websocket arrives if a proxy makes an ordinary request of it: noted for its page, which sees only that it failed."""
    _vm(request, vm_id)
    arrival, probe = Arrival.of_request(request), probe_in(request.META.get("QUERY_STRING", ""))
    if arrival.is_handshake and probe is not None and probe_belongs_to(probe, caller(request)):
        handshake_note(probe, arrival, refused=NOT_UPGRADED)
    answer = JsonResponse({"detail": "This address is for websockets."}, status=426)
    answer.headers["Upgrade"] = "websocket"
    return answer


def _upstream() -> str:
    """Where a proxy on this machine finds Eve."""
    bound = ipaddress.ip_address(settings.BIND)
    if bound.is_unspecified:
        bound = ipaddress.ip_address("127.0.0.1" if bound.version == 4 else "::1")
    host = f"[{bound}]" if bound.version == 6 else str(bound)
    return f"{host}:{settings.PORT}"


def _vm(request: HttpRequest, vm_id: uuid.UUID) -> Vm:
    vm = vm_for_console(caller(request), vm_id)
    if vm is None:
        raise Http404
    return vm
