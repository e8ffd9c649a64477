"""One's own login tokens: made, shown once, ended."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.callers import caller
from accounts.forms import TokenForm
from accounts.second_step import password_recent
from accounts.selectors import tokens_for
from accounts.services import token_create, token_revoke, tokens_revoke
from common.errors import EveError
from common.sentences import gettext as _
from common.sentences import ngettext


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@password_recent("profile-token-new")
def token_new(request: HttpRequest) -> HttpResponse:
    """Makes a token; its text is in the answer to the form, and never again."""
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            text, token = token_create(
                user=caller(request),
                name=form.cleaned_data["name"],
                ttl_seconds=form.cleaned_data["ttl_seconds"],
            )
        except EveError as error:
            form.add_error(None, str(error.detail))
        else:
            return render(request, "accounts/token_made.html", {"token": token, "text": text})
    return render(request, "accounts/token_new.html", {"form": form}, status=400 if form.errors else 200)


@login_required
@require_POST
def token_end(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    """Revokes one of one's own tokens; a second click finds it done."""
    token = tokens_for(caller(request)).filter(pk=token_id).first()
    if token is not None:
        token_revoke(token=token, by=caller(request))
    messages.success(request, _("The token is revoked. What was opened with it has ended."))
    return redirect("profile")


@login_required
@require_POST
def tokens_end(request: HttpRequest) -> HttpResponse:
    """Revokes all of one's own tokens."""
    count = tokens_revoke(user=caller(request))
    words = ngettext(
        "%(count)d token is revoked. What was opened with it has ended.",
        "%(count)d tokens are revoked. What was opened with them has ended.",
        count,
    )
    messages.success(request, words % {"count": count})
    return redirect("profile")
