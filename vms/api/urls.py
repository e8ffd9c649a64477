"""The API's addresses of virtual machines."""

from __future__ import annotations

from django.urls import path

from . import creating, views

urlpatterns = [
    path("vms", views.VmListView.as_view(), name="api-vms"),
    path("vms/<uuid:vm_id>", views.VmView.as_view(), name="api-vm"),
    path("vms/<uuid:vm_id>/state", views.VmStateView.as_view(), name="api-vm-state"),
    path("vms/<uuid:vm_id>/screenshot", views.VmScreenshotView.as_view(), name="api-vm-screenshot"),
    path("images", creating.ImageListView.as_view(), name="api-images"),
    path("sizes", creating.SizeListView.as_view(), name="api-sizes"),
    path("projects/<uuid:project_id>/quota", creating.ProjectQuotaView.as_view(), name="api-project-quota"),
    path("discovered-domains", views.DiscoveredDomainListView.as_view(), name="api-discovered-domains"),
    path("discovered-domains/<int:discovered_id>/adopt", views.AdoptView.as_view(), name="api-discovered-domain-adopt"),
]
