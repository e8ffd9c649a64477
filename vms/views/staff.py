"""Staff's pages: the fleet, its hosts and VMs, drift, operations. For others they do not exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import staff_required
from accounts.callers import caller
from accounts.models import User
from accounts.selectors import audit_events_for, is_unlimited_staff
from common.errors import EveError
from common.lists import list_context
from hypervisors.selectors import hypervisors_for, outages_of, sites_for
from operations.models import ACTIVE_STATES, OperationState
from operations.selectors import operations_for
from vms.alerts import alerts_of, fleet_alerts
from vms.cards import cards_for
from vms.drift import Drift
from vms.hosts import Host, host_for, hosts_for, states_of, total_of
from vms.lists import HOSTS, OPERATIONS, OUTAGES
from vms.models import VmState
from vms.networks import networks_of
from vms.operation_lines import operation_lines
from vms.selectors import discovered_for, listed, vms_managed_by
from vms.services import network_set_open
from vms.storage import pools_of

from .frames import manage_context, manage_response, side_counts
from .parts import COUNTED_PARTS, listing_context

PAGE = 50
EVENTS = 8
OUTAGES_SHOWN = 5
ACTIVE = 5
FAILED = 3
_VM_PARTS: Final = {**COUNTED_PARTS, "list": "manage/parts/vms.html"}


@staff_required
@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Sites and hosts, what to mind, what is under way."""
    user, part = caller(request), request.GET.get("part", "")
    hosts, drift = hosts_for(user), Drift(user)
    head = _fleet_head(user, hosts)
    if part == "head":
        return render(request, "manage/parts/fleet_head.html", head)
    context = {
        **list_context(request, hosts, HOSTS),
        "may_add": head["may_add"],
        "alerts": fleet_alerts(head["host_alerts"], crashed=head["vm_crashed"], drift=drift.total),
        "operations": operation_lines(
            user,
            [
                *operations_for(user).filter(state__in=ACTIVE_STATES)[:ACTIVE],
                *operations_for(user).filter(state=OperationState.FAILED)[:FAILED],
            ],
        ),
    }
    if part == "fleet":
        return render(request, "manage/parts/fleet.html", context)
    whole = {**manage_context(request, "overview", drift), **head, **context}
    return render(request, "manage/overview.html", whole)


@staff_required
@never_cache
@require_safe
def side_count(request: HttpRequest) -> HttpResponse:
    """One of the numbers at the side, by its name in ``?part=``."""
    user = caller(request)
    counted = side_counts(user, Drift(user)).get(request.GET.get("part", ""))
    if counted is None:
        raise Http404
    return render(request, "manage/parts/side_count.html", {"counted": counted})


@staff_required
@never_cache
@require_safe
def hypervisor(request: HttpRequest, hypervisor_id: UUID) -> HttpResponse:
    """One host: facts, VMs, domains that Eve does not have."""
    user = caller(request)
    host = host_for(user, hypervisor_id)
    if host is None:
        raise Http404
    if request.GET.get("part") == "head":
        return render(request, "manage/parts/host_head.html", {"host": host})
    vms = listed(vms_managed_by(user)).filter(hypervisor=host.row).order_by("name", "id")
    page = Paginator(vms, PAGE).get_page(request.GET.get("page"))
    context = {
        "host": host,
        "alerts": alerts_of([host]),
        "page_obj": page,
        "cards": cards_for(user, page),
        "outages": list(outages_of(host.row)[:OUTAGES_SHOWN]),
        "pools": pools_of(host.row, host.facts),
        "networks": networks_of(host.row.site),
        "discovered": list(discovered_for(user).filter(hypervisor=host.row)[:PAGE]),
        "events": list(
            audit_events_for(user)
            .filter(target_type="hypervisor", target_id=str(host.row.pk))
            .order_by("-at", "id")[:EVENTS]
        ),
    }
    return manage_response(
        request, "overview", context, page="manage/hypervisor.html", live_part="manage/parts/host.html"
    )


@staff_required
@never_cache
@require_safe
def outages(request: HttpRequest, hypervisor_id: UUID) -> HttpResponse:
    """When a host was away, why, and for how long."""
    host = host_for(caller(request), hypervisor_id)
    if host is None:
        raise Http404
    context = {
        **manage_context(request, "overview"),
        **list_context(request, outages_of(host.row), OUTAGES),
        "host": host,
    }
    return render(request, "manage/outages.html", context)


@staff_required
@require_POST
def network_open(request: HttpRequest, hypervisor_id: UUID) -> HttpResponse:
    """Opens a network of the host's site to customers, or closes it; back to the host's page."""
    host = get_object_or_404(hypervisors_for(caller(request)).select_related("site"), pk=hypervisor_id)
    verb = "open" if "open" in request.POST else "close"
    kind, _colon, name = request.POST.get(verb, "").partition(":")
    try:
        network_set_open(site=host.site, user=caller(request), kind=kind, name=name, is_open=verb == "open")
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("manage-hypervisor", hypervisor_id=hypervisor_id)


@staff_required
@never_cache
@require_safe
def vms(request: HttpRequest) -> HttpResponse:
    """All VMs on the hosts that one manages."""
    part = request.GET.get("part", "")
    context = listing_context(request, vms_managed_by(caller(request)))
    if part in _VM_PARTS:
        return render(request, _VM_PARTS[part], context)
    return render(request, "manage/vms.html", {**context, **manage_context(request, "vms"), "bulk_key": uuid4().hex})


@staff_required
@never_cache
@require_safe
def operations(request: HttpRequest) -> HttpResponse:
    """What is under way and how things ended."""
    user = caller(request)
    context = {**list_context(request, operations_for(user), OPERATIONS), "shows_target": True}
    context["lines"] = operation_lines(user, context["page_obj"])
    return manage_response(
        request, "operations", context, page="manage/operations.html", live_part="vms/parts/operations.html"
    )


@staff_required
@never_cache
@require_safe
def operation(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """How far one is: a part of the page that tells what became of many."""
    found = get_object_or_404(operations_for(caller(request)), pk=operation_id)
    return render(request, "manage/parts/outcome.html", {"operation": found})


def _fleet_head(user: User, hosts: Sequence[Host]) -> dict[str, Any]:
    """How many there are of everything, and how much of it is given out."""
    counts = states_of(hosts)
    return {
        "site_count": len({host.row.site_id for host in hosts}),
        "hosts": hosts,
        "may_add": bool(hosts) or is_unlimited_staff(user) or sites_for(user).exists(),
        "online": [host for host in hosts if host.row.state == "online"],
        "host_alerts": alerts_of(hosts),
        "memory": total_of(host.memory for host in hosts),
        "storage": total_of(host.storage for host in hosts),
        "vm_total": counts.total(),
        "vm_running": counts[VmState.RUNNING],
        "vm_crashed": counts[VmState.CRASHED],
        "vm_unknown": counts[VmState.UNKNOWN],
    }
