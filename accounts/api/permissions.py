"""Who may use which part of the accounts API. What is not yours is not there: 404, not 403."""

from __future__ import annotations

from django.http import Http404
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User
from accounts.selectors import is_unlimited_staff


class UnlimitedStaff(BasePermission):
    """Staff of every site, and superusers; for everybody else there is nothing here."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raises Http404 for signed-in users who may not."""
        if isinstance(request.user, User) and not is_unlimited_staff(request.user):
            raise Http404
        return bool(request.user and request.user.is_authenticated)
