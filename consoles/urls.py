"""Pages of consoles."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [path("vms/<uuid:vm_id>/console/", views.console, name="vm-console")]
