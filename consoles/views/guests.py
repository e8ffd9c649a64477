"""Pages for guests: who came by a link gives a name, and gets one VM's screen. No account is needed, and nothing else is there."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.sessions import session_digest
from common.errors import EveError, Invalid
from common.problems import error_response
from common.sentences import gettext as _
from consoles.api.serializers import ConsoleSessionSerializer, TicketRequestSerializer
from consoles.credentials import Principal
from consoles.errors import GuestNameMissing, LinkEnded
from consoles.guests import Guest
from consoles.links import guest_enter
from consoles.models import ConsoleKind, ConsoleMode, ConsoleSession
from consoles.selectors import guest_in
from consoles.services import ticket_create
from vms.endings import Ending

from .answers import off_response

P = ParamSpec("P")
MAX_BODY_BYTES = 1000


def for_scripts(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A view that the page's script asks, without an account; refusals are problem details."""

    @wraps(view)
    def answered(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except EveError as error:
            return error_response(error)

    return login_not_required(never_cache(answered))


@login_not_required
@sensitive_post_parameters("secret")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def door(request: HttpRequest) -> HttpResponse:
    """Where a link leads: asks for a name.

    The secret is in the address' fragment, which no browser sends and no Referer or access log holds; the page's script puts it into the form.
    """
    context: dict[str, Any] = {"name": request.POST.get("name", "")}
    if request.method == "POST":
        try:
            guest = guest_enter(
                secret=request.POST.get("secret", "")[:200], name=context["name"], session=request.session
            )
            return redirect("guest-console", guest.link.pk)
        except GuestNameMissing as error:
            context |= {"name_error": error.detail, "secret": request.POST.get("secret", "")[:200]}
        except LinkEnded as error:
            context |= {"error": error}
    return render(request, "consoles/guest_door.html", context, status=400 if len(context) > 1 else 200)


@login_not_required
@never_cache
@require_safe
def console(request: HttpRequest, link_id: uuid.UUID) -> HttpResponse:
    """The screen."""
    guest = guest_in(request.session, link_id)
    if guest is None:
        return render(request, "consoles/guest_ended.html", status=404)
    context = {
        "vm": guest.link.vm,
        "guest": guest,
        "can_control": guest.link.mode == ConsoleMode.CONTROL,
        "kind": ConsoleKind.VNC.value,
        "sessions_url": reverse("guest-session", args=[link_id, uuid.UUID(int=0)]).removesuffix(str(uuid.UUID(int=0))),
    }
    return render(request, "consoles/console.html", context)


@require_POST
@for_scripts
def ticket(request: HttpRequest, link_id: uuid.UUID) -> HttpResponse:
    """As the API's, for the link's VM and mode."""
    guest = _guest_or_404(request, link_id)
    wanted = TicketRequestSerializer(data=_body(request))
    if not wanted.is_valid():
        raise Invalid(_("The request cannot be understood."), errors=wanted.errors)
    principal = Principal(user=None, session_digest=session_digest(request.session.session_key), guest=guest)
    screen = {**wanted.validated_data, "kind": ConsoleKind.VNC, "force": False}
    secret, made = ticket_create(principal=principal, vm=guest.link.vm, **screen)
    url = f"/ws/vms/{guest.link.vm_id}/console?{urlencode({'ticket': secret})}"
    return JsonResponse({"url": url, "session": str(made.session_id), "mode": made.mode}, status=201)


@require_safe
@for_scripts
def state(request: HttpRequest, link_id: uuid.UUID) -> HttpResponse:
    """The VM's state, and nothing else of it."""
    guest = _guest_or_404(request, link_id)
    return JsonResponse({"state": guest.link.vm.state})


@require_safe
@for_scripts
def off(request: HttpRequest, link_id: uuid.UUID) -> HttpResponse:
    """Since when the VM is off. Who did it is not for visitors."""
    return off_response(_guest_or_404(request, link_id).link.vm, Ending())


@require_safe
@for_scripts
def session(request: HttpRequest, link_id: uuid.UUID, session_id: uuid.UUID) -> HttpResponse:
    """How a session of this visitor's stands: what it may do, or why it ended."""
    guest = _guest_or_404(request, link_id)
    own = session_digest(request.session.session_key)
    found = ConsoleSession.objects.filter(pk=session_id, link=guest.link, session_digest=own).first()
    if found is None:
        raise Http404
    told = ConsoleSessionSerializer(found).data
    return JsonResponse(
        {name: told[name] for name in ("session", "mode", "state", "close_code", "reason", "retryable")}
    )


def _guest_or_404(request: HttpRequest, link_id: uuid.UUID) -> Guest:
    guest = guest_in(request.session, link_id)
    if guest is None:
        raise Http404
    return guest


def _body(request: HttpRequest) -> Any:
    try:
        return json.loads(request.body) if len(request.body) <= MAX_BODY_BYTES else None
    except (ValueError, RecursionError):
        return None
