"""Consoles' part of /api/v1/."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("vms/<uuid:vm_id>/console", views.TicketView.as_view(), name="api-console-ticket"),
    path("consoles", views.ConsoleSessionListView.as_view(), name="api-consoles"),
    path("consoles/<uuid:session_id>", views.ConsoleSessionView.as_view(), name="api-console"),
]
