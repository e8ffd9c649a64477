"""The pages on which a host is enrolled and its connection tested. They show a secret once, so nothing keeps them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic.base import View

from accounts.access import StaffRequiredMixin
from accounts.callers import caller

from .doctor import connection_test
from .models import EnrolmentToken, Hypervisor, HypervisorState
from .selectors import hypervisor_for
from .services import enrolment_line, enrolment_token_create


@dataclass(frozen=True, slots=True)
class ShownLine:
    """An enrolment line, on its way to the one page that shows it."""

    text: str
    row: EnrolmentToken


def enrolment_page(request: HttpRequest, hypervisor: Hypervisor, line: ShownLine | None = None) -> HttpResponse:
    """The page that sees a host enrolled; with `line` it shows that, this once."""
    context = {**_progress(hypervisor), "nav": "manage", "line": line, "address": request.path}
    response = render(request, "hypervisors/enrolment.html", context)
    response["Cache-Control"] = "no-store"
    return response


def new_line(request: HttpRequest, hypervisor: Hypervisor) -> ShownLine:
    """A fresh line for that host; an earlier unused one ends."""
    token, row = enrolment_token_create(hypervisor=hypervisor, user=caller(request))
    return ShownLine(enrolment_line(token), row)


@method_decorator(never_cache, "dispatch")
class _HypervisorPage(StaffRequiredMixin, View):
    def hypervisor(self) -> Hypervisor:
        """The one in the path. Raises Http404."""
        found = hypervisor_for(caller(self.request), self.kwargs["hypervisor_id"])
        if found is None:
            raise Http404
        return found


class EnrolmentView(_HypervisorPage):
    """Enrolling one host."""

    def get(self, request: HttpRequest, hypervisor_id: uuid.UUID) -> HttpResponse:
        """How far it is."""
        return enrolment_page(request, self.hypervisor())

    def post(self, request: HttpRequest, hypervisor_id: uuid.UUID) -> HttpResponse:
        """Makes a new line and shows it."""
        hypervisor = self.hypervisor()
        return enrolment_page(request, hypervisor, new_line(request, hypervisor))


class EnrolmentProgressView(_HypervisorPage):
    """What changes on that page by itself."""

    def get(self, request: HttpRequest, hypervisor_id: uuid.UUID) -> HttpResponse:
        """The part of the page that says how far it is."""
        return render(request, "hypervisors/progress.html", _progress(self.hypervisor()))


class StateView(_HypervisorPage):
    """How Eve and the host get on, alone."""

    def get(self, request: HttpRequest, hypervisor_id: uuid.UUID) -> HttpResponse:
        """The part of the administration's pages that is kept true."""
        return render(request, "hypervisors/state.html", {"hypervisor": self.hypervisor()})


class ConnectionTestView(_HypervisorPage):
    """The way from Eve to one host."""

    def get(self, request: HttpRequest, hypervisor_id: uuid.UUID) -> HttpResponse:
        """The page with the button."""
        return render(request, "hypervisors/test.html", {"hypervisor": self.hypervisor(), "nav": "manage"})

    def post(self, request: HttpRequest, hypervisor_id: uuid.UUID) -> HttpResponse:
        """The steps, each in words; as a part of a page for those who ask so, else as a page."""
        hypervisor = self.hypervisor()
        is_part = request.headers.get("X-Requested-With") == "fetch"
        template = "hypervisors/steps.html" if is_part else "hypervisors/test.html"
        context = {"hypervisor": hypervisor, "steps": connection_test(hypervisor), "nav": "manage"}
        return render(request, template, context)


def _progress(hypervisor: Hypervisor) -> dict[str, Any]:
    token = hypervisor.enrolment_tokens.select_related("created_by").first()
    now = timezone.now()
    is_open = token is not None and token.used_at is None and token.withdrawn_at is None and token.expires_at > now
    return {
        "hypervisor": hypervisor,
        "token": token,
        "is_token_open": is_open,
        "is_token_used": token is not None and token.used_at is not None,
        "is_enrolled": bool(hypervisor.certificate_fingerprint),
        "is_online": hypervisor.state == HypervisorState.ONLINE,
        "is_in_trouble": hypervisor.state in (HypervisorState.REJECTED, HypervisorState.REVOKED),
    }
