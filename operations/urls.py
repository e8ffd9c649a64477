"""The pages of operations."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("operations/<uuid:operation_id>/cancel/", views.cancel, name="operation-cancel"),
]
