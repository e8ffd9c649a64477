"""The API's addresses of virtual machines."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("vms", views.VmListView.as_view(), name="api-vms"),
    path("vms/<uuid:vm_id>", views.VmView.as_view(), name="api-vm"),
    path("vms/<uuid:vm_id>/state", views.VmStateView.as_view(), name="api-vm-state"),
    path("vms/<uuid:vm_id>/screenshot", views.VmScreenshotView.as_view(), name="api-vm-screenshot"),
    path("discovered-domains", views.DiscoveredDomainListView.as_view(), name="api-discovered-domains"),
    path("discovered-domains/<int:discovered_id>/adopt", views.AdoptView.as_view(), name="api-discovered-domain-adopt"),
]
