"""Django's admin with the portal's way in and out: one sign-in, one throttle, one place where passwords change."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.decorators import method_decorator

from common.sentences import gettext_lazy as _

from .views.signing_in import admin_login, logout_view


class EveAdminSite(AdminSite):
    """Eve's administration."""

    site_header = _("Eve administration")
    site_title = _("Eve")
    index_title = _("Administration")
    site_url = None  # the header leads there by names of its own
    enable_nav_sidebar = False  # lists need its room

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sends people to the portal's sign-in."""
        return admin_login(request)

    def logout(  # type: ignore[override]  # Django's own redirects, too
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Signs out as the portal does, with all that hangs on it."""
        return logout_view(request)

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseRedirect:
        """Sends people to their profile."""
        return redirect("profile")
