"""The pages of notifications."""

from __future__ import annotations

from django.urls import path

from .views import notices, webhooks

urlpatterns = [
    path("notifications/", notices.notices, name="notifications"),
    path("notifications/bell/", notices.bell, name="notification-bell"),
    path("notifications/read/", notices.read_all, name="notifications-read"),
    path("notifications/choices/", notices.choices, name="notification-choices"),
    path("notifications/<uuid:notice_id>/", notices.open_notice, name="notification"),
    path("notifications/<uuid:notice_id>/mark/", notices.mark, name="notification-mark"),
    path("webhooks/", webhooks.own, name="webhooks"),
    path("projects/<uuid:project_id>/webhooks/", webhooks.of_project, name="project-webhooks"),
    path("webhooks/<uuid:webhook_id>/", webhooks.detail, name="webhook"),
    path("webhooks/<uuid:webhook_id>/deliveries/", webhooks.deliveries, name="webhook-deliveries"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/again/",
        webhooks.again,
        name="webhook-delivery-again",
    ),
    path("webhooks/<uuid:webhook_id>/secret/", webhooks.secret, name="webhook-secret"),
    path("webhooks/<uuid:webhook_id>/test/", webhooks.test, name="webhook-test"),
    path("webhooks/<uuid:webhook_id>/delete/", webhooks.delete, name="webhook-delete"),
]
