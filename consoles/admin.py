"""Consoles in Django admin: to be read, never changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.callers import caller
from accounts.models import User

from .models import ConsoleSession
from .selectors import sessions_for


@admin.register(ConsoleSession)
class ConsoleSessionAdmin(admin.ModelAdmin[ConsoleSession]):
    """Who watched what, from where, how long, and why it ended."""

    list_display = ("started_at", "vm_name", "user_label", "kind", "mode", "address", "ended_at", "end_reason")
    list_filter = ("kind", "mode", "started_at")
    search_fields = ("vm_name", "user_label", "=vm_uuid", "=address")
    exclude = ("session_digest", "token")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConsoleSession]:
        """What the staff member's sites allow."""
        return sessions_for(caller(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """All staff."""
        return isinstance(request.user, User) and request.user.is_active and request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """All staff; the queryset says which sessions."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds records by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes records."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes records."""
        return False
