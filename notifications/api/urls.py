"""Notifications' part of /api/v1/."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("notifications", views.NoticeListView.as_view(), name="api-notifications"),
    path("notifications/read", views.NoticesReadView.as_view(), name="api-notifications-read"),
    path("notifications/<uuid:notice_id>", views.NoticeView.as_view(), name="api-notification"),
    path("notification-choices", views.ChoicesView.as_view(), name="api-notification-choices"),
    path(
        "projects/<uuid:project_id>/notification-choices",
        views.ProjectChoicesView.as_view(),
        name="api-project-notification-choices",
    ),
    path("projects/<uuid:project_id>/webhooks", views.ProjectWebhooksView.as_view(), name="api-project-webhooks"),
    path("webhooks", views.WebhooksView.as_view(), name="api-webhooks"),
    path("webhooks/<uuid:webhook_id>", views.WebhookView.as_view(), name="api-webhook"),
    path("webhooks/<uuid:webhook_id>/secret", views.WebhookSecretView.as_view(), name="api-webhook-secret"),
    path("webhooks/<uuid:webhook_id>/test", views.WebhookTestView.as_view(), name="api-webhook-test"),
    path("webhooks/<uuid:webhook_id>/deliveries", views.DeliveriesView.as_view(), name="api-webhook-deliveries"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/again",
        views.DeliveryAgainView.as_view(),
        name="api-webhook-delivery-again",
    ),
]
