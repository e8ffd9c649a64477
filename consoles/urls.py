"""Pages of consoles."""

from __future__ import annotations

from django.urls import path

from . import doctor_views, guest_views, link_views, views

urlpatterns = [
    path("vms/<uuid:vm_id>/console/", views.console, name="vm-console"),
    path("vms/<uuid:vm_id>/console/serial/", views.serial, name="vm-serial"),
    path("vms/<uuid:vm_id>/doctor/", doctor_views.doctor, name="vm-doctor"),
    path("ws/vms/<uuid:vm_id>/doctor", doctor_views.not_upgraded, name="vm-doctor-socket"),
    path("vms/<uuid:vm_id>/viewers/", views.viewers, name="vm-viewers"),
    path("vms/<uuid:vm_id>/viewers/<uuid:session_id>/end/", views.viewer_end, name="vm-viewer-end"),
    path("vms/<uuid:vm_id>/links/", link_views.links, name="vm-links"),
    path("vms/<uuid:vm_id>/links/<uuid:link_id>/end/", link_views.end, name="vm-link-end"),
    path("guest/", guest_views.door, name="guest"),
    path("guest/<uuid:link_id>/", guest_views.console, name="guest-console"),
    path("guest/<uuid:link_id>/ticket", guest_views.ticket, name="guest-ticket"),
    path("guest/<uuid:link_id>/state", guest_views.state, name="guest-state"),
    path("guest/<uuid:link_id>/sessions/<uuid:session_id>", guest_views.session, name="guest-session"),
    path("manage/consoles/", views.managed, name="manage-consoles"),
]
