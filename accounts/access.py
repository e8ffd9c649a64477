"""Decorators of pages: who may see them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.views.generic.base import View

from .models import User
from .selectors import is_unlimited_staff

P = ParamSpec("P")


def staff_required(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A page for staff, of some sites or all: for everybody else who is signed in it is not there."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not isinstance(request.user, User):
            return redirect_to_login(request.get_full_path())
        if not request.user.is_staff:
            raise Http404
        return view(request, *args, **kwargs)

    return checked


class StaffRequiredMixin(LoginRequiredMixin, View):
    """:func:`staff_required` for class-based pages."""

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Serves staff; asks others to sign in, and tells those who have that there is no such page."""
        if isinstance(request.user, User) and not request.user.is_staff:
            raise Http404
        return super().dispatch(request, *args, **kwargs)


def unlimited_staff_required(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A page for staff of every site: for everybody else who is signed in it is not there."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if isinstance(request.user, User) and not is_unlimited_staff(request.user):
            raise Http404
        return view(request, *args, **kwargs)

    return staff_required(checked)
