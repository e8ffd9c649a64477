"""Pages about hypervisors; the staff's overview of them is in vms/."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path(
        "manage/hypervisors/<uuid:hypervisor_id>/enrolment/",
        views.EnrolmentView.as_view(),
        name="manage-hypervisor-enrolment",
    ),
    path(
        "manage/hypervisors/<uuid:hypervisor_id>/enrolment/progress/",
        views.EnrolmentProgressView.as_view(),
        name="manage-hypervisor-progress",
    ),
    path(
        "manage/hypervisors/<uuid:hypervisor_id>/state/",
        views.StateView.as_view(),
        name="manage-hypervisor-state",
    ),
    path(
        "manage/hypervisors/<uuid:hypervisor_id>/test/",
        views.ConnectionTestView.as_view(),
        name="manage-hypervisor-test",
    ),
]
