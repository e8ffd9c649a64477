"""Pages of consoles."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("vms/<uuid:vm_id>/console/", views.console, name="vm-console"),
    path("vms/<uuid:vm_id>/viewers/", views.viewers, name="vm-viewers"),
    path("vms/<uuid:vm_id>/viewers/<uuid:session_id>/end/", views.viewer_end, name="vm-viewer-end"),
    path("manage/consoles/", views.managed, name="manage-consoles"),
]
