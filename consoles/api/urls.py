"""Consoles' part of /api/v1/."""

from __future__ import annotations

from django.urls import path

from . import doctor, keyboard, links, viewers, views

urlpatterns = [
    path("vms/<uuid:vm_id>/console", views.TicketView.as_view(), name="api-console-ticket"),
    path("vms/<uuid:vm_id>/console/viewers", viewers.ViewersView.as_view(), name="api-console-viewers"),
    path("vms/<uuid:vm_id>/console/typing", keyboard.TypingView.as_view(), name="api-console-typing"),
    path("vms/<uuid:vm_id>/console/doctor", doctor.DoctorView.as_view(), name="api-console-doctor"),
    path("vms/<uuid:vm_id>/console/doctor/host", doctor.DoctorHostView.as_view(), name="api-console-doctor-host"),
    path(
        "vms/<uuid:vm_id>/console/doctor/<uuid:probe_id>",
        doctor.DoctorHandshakeView.as_view(),
        name="api-console-doctor-handshake",
    ),
    path("vms/<uuid:vm_id>/guest-links", links.LinksView.as_view(), name="api-guest-links"),
    path("guest-links/<uuid:link_id>", links.LinkView.as_view(), name="api-guest-link"),
    path("keyboard", keyboard.KeyboardView.as_view(), name="api-keyboard"),
    path("consoles", views.ConsoleSessionListView.as_view(), name="api-consoles"),
    path("consoles/<uuid:session_id>", views.ConsoleSessionView.as_view(), name="api-console"),
    path("consoles/<uuid:session_id>/hand-over", viewers.HandOverView.as_view(), name="api-console-hand-over"),
]
