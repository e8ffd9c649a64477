"""Addresses below /api/v1/."""

from __future__ import annotations

from django.urls import path

from . import metrics, views

urlpatterns = [
    path("enrol", views.EnrolView.as_view(), name="api-enrol"),
    path("sites", views.SiteListView.as_view(), name="api-sites"),
    path("sites/<uuid:site_id>", views.SiteView.as_view(), name="api-site"),
    path("hypervisors", views.HypervisorListView.as_view(), name="api-hypervisors"),
    path("hypervisors/<uuid:hypervisor_id>", views.HypervisorView.as_view(), name="api-hypervisor"),
    path("hypervisors/<uuid:hypervisor_id>/state", views.HypervisorStateView.as_view(), name="api-hypervisor-state"),
    path(
        "hypervisors/<uuid:hypervisor_id>/enrolment",
        views.HypervisorEnrolmentView.as_view(),
        name="api-hypervisor-enrolment",
    ),
    path(
        "hypervisors/<uuid:hypervisor_id>/metrics",
        metrics.HypervisorMetricsView.as_view(),
        name="api-hypervisor-metrics",
    ),
    path("hypervisors/<uuid:hypervisor_id>/test", views.HypervisorTestView.as_view(), name="api-hypervisor-test"),
]
