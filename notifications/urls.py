"""The pages of notifications."""

from __future__ import annotations

from django.urls import path

from . import views, webhook_views

urlpatterns = [
    path("notifications/", views.notices, name="notifications"),
    path("notifications/bell/", views.bell, name="notification-bell"),
    path("notifications/read/", views.read_all, name="notifications-read"),
    path("notifications/choices/", views.choices, name="notification-choices"),
    path("notifications/<uuid:notice_id>/", views.open_notice, name="notification"),
    path("notifications/<uuid:notice_id>/mark/", views.mark, name="notification-mark"),
    path("webhooks/", webhook_views.own, name="webhooks"),
    path("projects/<uuid:project_id>/webhooks/", webhook_views.of_project, name="project-webhooks"),
    path("webhooks/<uuid:webhook_id>/", webhook_views.detail, name="webhook"),
    path("webhooks/<uuid:webhook_id>/deliveries/", webhook_views.deliveries, name="webhook-deliveries"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/again/",
        webhook_views.again,
        name="webhook-delivery-again",
    ),
    path("webhooks/<uuid:webhook_id>/secret/", webhook_views.secret, name="webhook-secret"),
    path("webhooks/<uuid:webhook_id>/test/", webhook_views.test, name="webhook-test"),
    path("webhooks/<uuid:webhook_id>/delete/", webhook_views.delete, name="webhook-delete"),
]
