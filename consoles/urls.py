"""Pages of consoles."""

from __future__ import annotations

from django.urls import path

from .views import consoles, doctor, guests, links, screenshots

urlpatterns = [
    path("vms/<uuid:vm_id>/console/", consoles.console, name="vm-console"),
    path("vms/<uuid:vm_id>/console/serial/", consoles.serial, name="vm-serial"),
    path("vms/<uuid:vm_id>/console/off/", consoles.off, name="vm-off"),
    path("vms/<uuid:vm_id>/doctor/", doctor.doctor, name="vm-doctor"),
    path("ws/vms/<uuid:vm_id>/doctor", doctor.not_upgraded, name="vm-doctor-socket"),
    path("vms/<uuid:vm_id>/viewers/", consoles.viewers, name="vm-viewers"),
    path("vms/<uuid:vm_id>/viewers/<uuid:session_id>/end/", consoles.viewer_end, name="vm-viewer-end"),
    path("vms/<uuid:vm_id>/screenshots/", screenshots.time_line, name="vm-screenshots"),
    path("vms/<uuid:vm_id>/screenshots/take/", screenshots.take, name="vm-screenshot-take"),
    path("vms/<uuid:vm_id>/screenshots/<uuid:screenshot_id>/", screenshots.one, name="vm-screenshot"),
    path("vms/<uuid:vm_id>/screenshots/<uuid:screenshot_id>/delete/", screenshots.delete, name="vm-screenshot-end"),
    path("vms/<uuid:vm_id>/links/", links.links, name="vm-links"),
    path("vms/<uuid:vm_id>/links/<uuid:link_id>/end/", links.end, name="vm-link-end"),
    path("guest/", guests.door, name="guest"),
    path("guest/<uuid:link_id>/", guests.console, name="guest-console"),
    path("guest/<uuid:link_id>/ticket", guests.ticket, name="guest-ticket"),
    path("guest/<uuid:link_id>/state", guests.state, name="guest-state"),
    path("guest/<uuid:link_id>/off/", guests.off, name="guest-off"),
    path("guest/<uuid:link_id>/sessions/<uuid:session_id>", guests.session, name="guest-session"),
    path("manage/consoles/", consoles.managed, name="manage-consoles"),
]
