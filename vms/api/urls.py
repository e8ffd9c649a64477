"""The API's addresses of virtual machines."""

from __future__ import annotations

from django.urls import path

from . import images, metrics, storage, views

urlpatterns = [
    path("vms", views.VmListView.as_view(), name="api-vms"),
    path("vms/<uuid:vm_id>", views.VmView.as_view(), name="api-vm"),
    path("vms/<uuid:vm_id>/state", views.VmStateView.as_view(), name="api-vm-state"),
    path("vms/<uuid:vm_id>/metrics", metrics.VmMetricsView.as_view(), name="api-vm-metrics"),
    path("vms/<uuid:vm_id>/screenshot", views.VmScreenshotView.as_view(), name="api-vm-screenshot"),
    path("images", images.ImageListView.as_view(), name="api-images"),
    path("images/<uuid:image_id>", images.ImageView.as_view(), name="api-image"),
    path("images/<uuid:image_id>/data", images.ImageDataView.as_view(), name="api-image-data"),
    path("sizes", storage.SizeListView.as_view(), name="api-sizes"),
    path("sizes/<uuid:size_id>", storage.SizeView.as_view(), name="api-size"),
    path("pools", storage.PoolListView.as_view(), name="api-pools"),
    path(
        "hypervisors/<uuid:hypervisor_id>/pools/<str:pool>/volumes",
        storage.VolumeListView.as_view(),
        name="api-pool-volumes",
    ),
    path("projects/<uuid:project_id>/quota", storage.ProjectQuotaView.as_view(), name="api-project-quota"),
    path("discovered-domains", views.DiscoveredDomainListView.as_view(), name="api-discovered-domains"),
    path("discovered-domains/<int:discovered_id>/adopt", views.AdoptView.as_view(), name="api-discovered-domain-adopt"),
]
