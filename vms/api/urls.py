"""The API's addresses of virtual machines."""

from __future__ import annotations

from django.urls import path

from . import alerts, bulk, changes, drift, guests, images, metrics, networks, storage, systems, views

urlpatterns = [
    path("vms", views.VmListView.as_view(), name="api-vms"),
    path("vms/state", bulk.VmsStateView.as_view(), name="api-vms-state"),
    path("vms/use", metrics.VmsUseView.as_view(), name="api-vms-use"),
    path("vms/<uuid:vm_id>", views.VmView.as_view(), name="api-vm"),
    path("vms/<uuid:vm_id>/state", views.VmStateView.as_view(), name="api-vm-state"),
    path("vms/<uuid:vm_id>/metrics", metrics.VmMetricsView.as_view(), name="api-vm-metrics"),
    path("vms/<uuid:vm_id>/resources", changes.ResourcesView.as_view(), name="api-vm-resources"),
    path("vms/<uuid:vm_id>/disks", changes.DiskListView.as_view(), name="api-vm-disks"),
    path("vms/<uuid:vm_id>/disks/<uuid:disk_id>", changes.DiskView.as_view(), name="api-vm-disk"),
    path("vms/<uuid:vm_id>/nics", changes.NicListView.as_view(), name="api-vm-nics"),
    path("vms/<uuid:vm_id>/nics/<str:mac>", changes.NicView.as_view(), name="api-vm-nic"),
    path("vms/<uuid:vm_id>/project", views.VmProjectView.as_view(), name="api-vm-project"),
    path("vms/<uuid:vm_id>/boot", changes.BootView.as_view(), name="api-vm-boot"),
    path("vms/<uuid:vm_id>/cd", changes.CdView.as_view(), name="api-vm-cd"),
    path("vms/<uuid:vm_id>/rescue", systems.RescueView.as_view(), name="api-vm-rescue"),
    path("vms/<uuid:vm_id>/reinstall", systems.ReinstallView.as_view(), name="api-vm-reinstall"),
    path("vms/<uuid:vm_id>/clone", systems.CloneView.as_view(), name="api-vm-clone"),
    path("vms/<uuid:vm_id>/template", systems.TemplateView.as_view(), name="api-vm-template"),
    path("vms/<uuid:vm_id>/guest", guests.GuestView.as_view(), name="api-vm-guest"),
    path("vms/<uuid:vm_id>/guest/password", guests.GuestPasswordView.as_view(), name="api-vm-guest-password"),
    path("vms/<uuid:vm_id>/guest/freeze", guests.GuestFreezeView.as_view(), name="api-vm-guest-freeze"),
    path("vms/<uuid:vm_id>/guest/thaw", guests.GuestThawView.as_view(), name="api-vm-guest-thaw"),
    path("vms/<uuid:vm_id>/snapshots", changes.SnapshotListView.as_view(), name="api-vm-snapshots"),
    path("vms/<uuid:vm_id>/snapshots/<uuid:snapshot_id>", changes.SnapshotView.as_view(), name="api-vm-snapshot"),
    path(
        "vms/<uuid:vm_id>/snapshots/<uuid:snapshot_id>/revert",
        changes.SnapshotRevertView.as_view(),
        name="api-vm-snapshot-revert",
    ),
    path("vms/<uuid:vm_id>/screenshot", views.VmScreenshotView.as_view(), name="api-vm-screenshot"),
    path("disks", changes.KeptDiskListView.as_view(), name="api-kept-disks"),
    path("disks/<uuid:disk_id>", changes.KeptDiskView.as_view(), name="api-kept-disk"),
    path("images", images.ImageListView.as_view(), name="api-images"),
    path("images/<uuid:image_id>", images.ImageView.as_view(), name="api-image"),
    path("images/<uuid:image_id>/data", images.ImageDataView.as_view(), name="api-image-data"),
    path("sizes", storage.SizeListView.as_view(), name="api-sizes"),
    path("sizes/<uuid:size_id>", storage.SizeView.as_view(), name="api-size"),
    path("alerts", alerts.AlertListView.as_view(), name="api-alerts"),
    path("pools", storage.PoolListView.as_view(), name="api-pools"),
    path(
        "hypervisors/<uuid:hypervisor_id>/pools/<str:pool>/volumes",
        storage.VolumeListView.as_view(),
        name="api-pool-volumes",
    ),
    path("sites/<uuid:site_id>/networks", networks.SiteNetworksView.as_view(), name="api-site-networks"),
    path("projects/<uuid:project_id>/quota", storage.ProjectQuotaView.as_view(), name="api-project-quota"),
    path("drift", drift.DriftListView.as_view(), name="api-drift"),
    path("vms/<uuid:vm_id>/drift/accept", drift.DriftAcceptView.as_view(), name="api-drift-accept"),
    path("vms/<uuid:vm_id>/drift/restore", drift.DriftRestoreView.as_view(), name="api-drift-restore"),
    path("vms/<uuid:vm_id>/drift/forget", drift.DriftForgetView.as_view(), name="api-drift-forget"),
    path("discovered-domains", views.DiscoveredDomainListView.as_view(), name="api-discovered-domains"),
    path("discovered-domains/<int:discovered_id>/adopt", views.AdoptView.as_view(), name="api-discovered-domain-adopt"),
]
