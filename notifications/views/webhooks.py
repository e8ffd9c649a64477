"""The pages of webhooks: of a project for its owners, and staff's own."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import staff_required
from accounts.callers import caller
from accounts.models import Project
from accounts.selectors import projects_for
from common.errors import EveError
from common.lists import list_context
from common.sentences import gettext as _
from notifications.forms import WebhookChangeForm, WebhookForm
from notifications.models import HOST_KINDS, PROJECT_KINDS, DeliveryState, Webhook
from notifications.selectors import (
    WEBHOOKS,
    deliveries_of,
    kinds_of,
    webhook_is_answered_for,
    webhooks_answered_for,
    webhooks_owned_by,
)
from notifications.services import (
    delivery_again,
    webhook_create,
    webhook_delete,
    webhook_renew_secret,
    webhook_test,
    webhook_update,
)
from notifications.words import ERRORS

SHOWN = 25


@login_required
@staff_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def own(request: HttpRequest) -> HttpResponse:
    """A staff member's own, for the hosts that they look after."""
    return _list(request, None)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def of_project(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """A project's; for its owners."""
    owned = projects_for(caller(request)).filter(memberships__user=caller(request), memberships__role="owner")
    return _list(request, get_object_or_404(owned, pk=project_id))


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    """One, to be changed, with what it was sent last."""
    webhook = _webhook(request, webhook_id)
    known = {"name": webhook.name, "url": webhook.url, "kinds": webhook.kinds, "is_on": webhook.is_on}
    form = WebhookChangeForm(request.POST or None, kinds=list(kinds_of(webhook)), initial=known)
    if request.method == "POST" and form.is_valid():
        try:
            webhook_update(webhook=webhook, by=caller(request), **form.cleaned_data)
        except EveError as error:
            form.add_error(None, str(error.detail))
        else:
            messages.success(request, _("The webhook is changed."))
            return redirect("webhook", webhook.pk)
    context = {"webhook": webhook, "form": form, "is_answered_for": webhook_is_answered_for(webhook)}
    return render(
        request, "notifications/webhook.html", {**context, **_sent(webhook)}, status=400 if form.errors else 200
    )


@login_required
@never_cache
@require_safe
def deliveries(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    """The part of its page that shows what it was sent."""
    webhook = _webhook(request, webhook_id)
    return render(request, "notifications/parts/deliveries.html", {"webhook": webhook, **_sent(webhook)})


@login_required
@never_cache
@require_POST
def secret(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    """Makes another secret, and shows it this once."""
    try:
        text, webhook = webhook_renew_secret(webhook=_webhook(request, webhook_id), by=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("webhook", webhook_id)
    return render(request, "notifications/secret.html", {"webhook": webhook, "secret": text})


@login_required
@require_POST
def test(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    """Sends a test."""
    webhook = _webhook(request, webhook_id)
    try:
        webhook_test(webhook=webhook, by=caller(request))
        messages.success(request, _("A test is on its way; below is how it goes."))
    except EveError as error:
        messages.error(request, f"{error.title}. {error.detail}")
    return redirect("webhook", webhook.pk)


@login_required
@require_POST
def again(request: HttpRequest, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> HttpResponse:
    """Sends once more what did not arrive."""
    webhook = _webhook(request, webhook_id)
    try:
        delivery_again(delivery=get_object_or_404(deliveries_of(webhook), pk=delivery_id), by=caller(request))
        messages.success(request, _("It is on its way again; below is how it goes."))
    except EveError as error:
        messages.error(request, f"{error.title}. {error.detail}")
    return redirect("webhook", webhook.pk)


@login_required
@require_POST
def delete(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    """Deletes one."""
    webhook = _webhook(request, webhook_id)
    webhook_delete(webhook=webhook, by=caller(request))
    messages.success(request, _("%(name)s is deleted.") % {"name": webhook.name})
    return redirect("project-webhooks", webhook.project_id) if webhook.project_id else redirect("webhooks")


def _list(request: HttpRequest, project: Project | None) -> HttpResponse:
    user = caller(request)
    form = WebhookForm(request.POST or None, kinds=PROJECT_KINDS if project else HOST_KINDS)
    if request.method == "POST" and form.is_valid():
        try:
            text, webhook = webhook_create(project=project, by=user, **form.cleaned_data)
        except EveError as error:
            form.add_error(None, str(error.detail))
        else:
            return render(request, "notifications/secret.html", {"webhook": webhook, "secret": text, "is_new": True})
    listed = list_context(request, webhooks_owned_by(user).filter(project=project), WEBHOOKS, page_size=SHOWN)
    context = {
        **listed,
        "project_of": project,
        "form": form,
        "answered_for": webhooks_answered_for(listed["page_obj"].object_list),
    }
    return render(request, "notifications/webhooks.html", context, status=400 if form.errors else 200)


def _sent(webhook: Webhook) -> dict[str, object]:
    rows = list(deliveries_of(webhook)[:SHOWN])
    return {
        "deliveries": [(row, ERRORS.get(row.error, "")) for row in rows],
        "is_waiting": any(row.state == DeliveryState.WAITING for row in rows),
    }


def _webhook(request: HttpRequest, webhook_id: uuid.UUID) -> Webhook:
    return get_object_or_404(webhooks_owned_by(caller(request)), pk=webhook_id)
