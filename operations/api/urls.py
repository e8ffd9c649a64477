"""The API's addresses of operations."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("operations", views.OperationListView.as_view(), name="api-operations"),
    path("operations/<uuid:operation_id>", views.OperationView.as_view(), name="api-operation"),
    path("operations/<uuid:operation_id>/cancel", views.OperationCancelView.as_view(), name="api-operation-cancel"),
]
