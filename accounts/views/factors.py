"""Two-factor sign-in: the second step of signing in, and the pages on which one's factors are changed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required, login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.callers import caller
from accounts.factors.passkeys import passkey_ask_begin, passkey_make_begin, passkeys_possible
from accounts.factors.totp import totp_address, totp_picture, totp_secret_new
from accounts.forms import CodeForm, PasskeyForm, PasswordForm
from accounts.models import FactorKind, TotpDevice, User
from accounts.second_step import (
    password_recent,
    password_typed,
    pending_end,
    pending_user,
    question_keep,
    question_take,
)
from accounts.selectors import passkeys_for, second_factor_is_due, second_factors_of
from accounts.services import (
    code_check,
    passkey_add,
    passkey_check,
    passkey_remove,
    password_check,
    recovery_codes_renew,
    totp_add,
    totp_remove,
)
from common.errors import EveError
from common.sealing import SealBroken, seal, unseal
from common.sentences import gettext as _

from .signing_in import safe_next, sign_in, with_retry

_BEING_ADDED = "totp-new"


@login_not_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    """Asks for the second factor of whoever has just typed their password."""
    pending = pending_user(request)
    if pending is None:
        pending_end(request)
        messages.warning(request, _("That took too long. Sign in once more."))
        return redirect("login")
    user, target = pending
    answer = request.POST.get("answer", "")
    form = CodeForm(None if answer else request.POST or None)
    try:
        kind = _second_check(request, user, form, answer)
    except EveError as error:
        context = {"form": form, "error": error.detail, "is_passkey": bool(answer)}
        return with_retry(_second_page(request, user, context, status=error.status), error)
    if kind is not None:
        sign_in(request, user, second=kind)
        return _signed_in(request, user, kind, target)
    return _second_page(request, user, {"form": form}, status=400 if form.errors else 200)


@login_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Asks for the password of whoever is signed in, before something that matters."""
    user, form = caller(request), PasswordForm(request.POST or None)
    status = 400 if form.errors else 200
    if request.method == "POST" and form.is_valid():
        try:
            password_check(user=user, password=form.cleaned_data["password"])
        except EveError as error:
            form.add_error("password", str(error.detail))
            status = error.status
        else:
            password_typed(request)
            return HttpResponseRedirect(safe_next(request))
    context = {"form": form, "next": safe_next(request)}
    return render(request, "accounts/confirm.html", context, status=status)


@login_required
@never_cache
@require_safe
@password_recent("two-factor")
def two_factor(request: HttpRequest) -> HttpResponse:
    """One's second factors."""
    user = caller(request)
    context = {
        "totp": TotpDevice.objects.filter(user=user).first(),
        "passkeys": passkeys_for(user),
        "codes_left": user.recovery_codes.count(),
        "has_factors": bool(second_factors_of(user)),
        "is_due": second_factor_is_due(user),
        "can_passkeys": passkeys_possible(),
    }
    return render(request, "accounts/two_factor.html", context)


@login_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@password_recent("two-factor")
def totp_new(request: HttpRequest) -> HttpResponse:
    """Shows a new secret as a picture, and takes the app once it shows the right code."""
    user, form = caller(request), CodeForm(request.POST or None)
    secret = _new_secret(request)
    if request.method == "POST" and form.is_valid():
        try:
            codes = totp_add(user=user, secret=secret, code=form.cleaned_data["code"])
        except EveError as error:
            form.add_error("code", str(error.detail))
        else:
            request.session.pop(_BEING_ADDED, None)
            return _added(request, codes, _("Your authenticator app is added."))
    address = totp_address(secret, account=user.email)
    groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    context = {"form": form, "picture": totp_picture(address), "secret": secret, "secret_groups": groups}
    return render(request, "accounts/totp_add.html", context, status=400 if form.errors else 200)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@password_recent("two-factor")
def passkey_new(request: HttpRequest) -> HttpResponse:
    """Has the browser make a passkey, and takes it."""
    if not passkeys_possible():
        return redirect("two-factor")
    user, form = caller(request), PasskeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            codes = passkey_add(user=user, state=question_take(request), **form.cleaned_data)
        except EveError as error:
            form.add_error(None, str(error.detail))
        else:
            return _added(request, codes, _("%(name)s is added.") % {"name": form.cleaned_data["name"]})
    present = [bytes(passkey.credential) for passkey in passkeys_for(user)]
    options, state = passkey_make_begin(user_id=user.pk.bytes, email=user.email, name=user.name, present=present)
    question_keep(request, state)
    context = {"form": form, "options": json.dumps(options)}
    return render(request, "accounts/passkey_add.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
@password_recent("two-factor")
def totp_forget(request: HttpRequest) -> HttpResponse:
    """Removes one's authenticator app; a second click finds it done."""
    return _removed(request, lambda: totp_remove(user=caller(request)), _("The authenticator app is removed."))


@login_required
@require_POST
@password_recent("two-factor")
def passkey_forget(request: HttpRequest, passkey_id: uuid.UUID) -> HttpResponse:
    """Removes one of one's passkeys; a second click finds it done."""
    passkey = passkeys_for(caller(request)).filter(pk=passkey_id).first()
    if passkey is None:
        return redirect("two-factor")
    words = _("%(name)s is removed.") % {"name": passkey}
    return _removed(request, lambda: passkey_remove(passkey=passkey), words)


@login_required
@never_cache
@require_POST
@password_recent("two-factor")
def recovery_renew(request: HttpRequest) -> HttpResponse:
    """Makes new recovery codes, and shows them this once."""
    try:
        codes = recovery_codes_renew(user=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("two-factor")
    return render(request, "accounts/recovery_codes.html", {"codes": codes, "text": "\n".join(codes)})


def _second_check(request: HttpRequest, user: User, form: CodeForm, answer: str) -> FactorKind | None:
    """The factor that was given, if it is one of the user's; None where none was given. Raises what the services raise."""
    if answer:
        return passkey_check(user=user, state=question_take(request), answer=answer)
    return code_check(user=user, code=form.cleaned_data["code"]) if form.is_valid() else None


def _second_page(request: HttpRequest, user: User, context: dict[str, Any], *, status: int) -> HttpResponse:
    kinds = second_factors_of(user)
    context["has_totp"] = FactorKind.TOTP in kinds
    if FactorKind.PASSKEY in kinds and passkeys_possible():
        options, state = passkey_ask_begin([bytes(passkey.credential) for passkey in passkeys_for(user)])
        question_keep(request, state)
        context["options"] = json.dumps(options)
    return render(request, "accounts/second_step.html", context, status=status)


def _signed_in(request: HttpRequest, user: User, kind: FactorKind, target: str) -> HttpResponse:
    if kind is FactorKind.RECOVERY:
        left = user.recovery_codes.count()
        words = _(
            "You signed in with a recovery code, which is spent now. Left: %(left)d. New ones are in your profile."
        )
        messages.warning(request, words % {"left": left})
    return HttpResponseRedirect(target)


def _added(request: HttpRequest, codes: list[str], words: str) -> HttpResponse:
    """Shows the recovery codes that came with a first factor; they are nowhere else."""
    messages.success(request, words)
    if not codes:
        return redirect("two-factor")
    return render(request, "accounts/recovery_codes.html", {"codes": codes, "text": "\n".join(codes)})


def _removed(request: HttpRequest, remove: Callable[[], None], words: str) -> HttpResponse:
    try:
        remove()
    except EveError as error:
        messages.error(request, str(error.detail))
    else:
        messages.success(request, words)
    return redirect("two-factor")


def _new_secret(request: HttpRequest) -> str:
    """The secret that is being set up, kept encrypted in the session until a code of it was seen."""
    try:
        return unseal(request.session.get(_BEING_ADDED, ""), purpose=_BEING_ADDED)
    except SealBroken:
        secret = totp_secret_new()
        request.session[_BEING_ADDED] = seal(secret, purpose=_BEING_ADDED)
        return secret
