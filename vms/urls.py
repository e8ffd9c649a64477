"""The pages of virtual machines."""

from __future__ import annotations

from django.urls import path

from .views import changes, creating, customers, disks, guests, images, settings, staff, storage

urlpatterns = [
    path("", customers.dashboard, name="dashboard"),
    path("activity/", customers.activity, name="activity"),
    path("vms/", customers.vm_list, name="vm-list"),
    path("vms/new/", creating.vm_new, name="vm-new"),
    path("vms/new/quota/", creating.vm_new_quota, name="vm-new-quota"),
    path("vms/<uuid:vm_id>/", customers.vm_detail, name="vm-detail"),
    path("vms/<uuid:vm_id>/part/", customers.vm_part, name="vm-card"),
    path("vms/<uuid:vm_id>/power/", customers.vm_power, name="vm-power"),
    path("vms/<uuid:vm_id>/hardware/", changes.vm_hardware, name="vm-hardware"),
    path("vms/<uuid:vm_id>/snapshots/", changes.vm_snapshots, name="vm-snapshots"),
    path("vms/<uuid:vm_id>/change/<slug:what>/", changes.vm_change, name="vm-change"),
    path("vms/<uuid:vm_id>/guest/", guests.vm_guest, name="vm-guest"),
    path("vms/<uuid:vm_id>/guest/password/", guests.vm_guest_password, name="vm-guest-password"),
    path("vms/<uuid:vm_id>/guest/freeze/", guests.vm_guest_freeze, name="vm-guest-freeze"),
    path("vms/<uuid:vm_id>/settings/", settings.vm_settings, name="vm-settings"),
    path("vms/<uuid:vm_id>/settings/save/", settings.vm_settings_save, name="vm-settings-save"),
    path("vms/<uuid:vm_id>/boot/", settings.vm_boot, name="vm-boot"),
    path("vms/<uuid:vm_id>/delete/", settings.vm_end, name="vm-delete"),
    path("vms/<uuid:vm_id>/project/", settings.vm_to_project, name="vm-to-project"),
    path("disks/", disks.disks, name="disks"),
    path("disks/<uuid:disk_id>/delete/", disks.delete, name="disk-delete"),
    path("images/", images.images, name="images"),
    path("images/new/", images.add, name="image-new"),
    path("images/<uuid:image_id>/", images.detail, name="image-detail"),
    path("images/<uuid:image_id>/change/", images.change, name="image-change"),
    path("images/<uuid:image_id>/delete/", images.delete, name="image-delete"),
    path("manage/images/", images.managed, name="manage-images"),
    path("manage/pools/", storage.pools, name="manage-pools"),
    path("manage/pools/<uuid:hypervisor_id>/<str:pool>/", storage.pool_detail, name="manage-pool"),
    path("manage/sizes/", storage.sizes, name="manage-sizes"),
    path("manage/sizes/<uuid:size_id>/", storage.size, name="manage-size"),
    path("manage/sizes/<uuid:size_id>/offer/", storage.size_offer, name="manage-size-offer"),
    path("manage/sizes/<uuid:size_id>/end/", storage.size_end, name="manage-size-end"),
    path("manage/quotas/", storage.quotas, name="manage-quotas"),
    path("manage/quotas/<uuid:project_id>/", storage.quota, name="manage-quota"),
    path("manage/", staff.overview, name="manage-overview"),
    path("manage/hypervisors/<uuid:hypervisor_id>/", staff.hypervisor, name="manage-hypervisor"),
    path("manage/vms/", staff.vms, name="manage-vms"),
    path("manage/drift/", staff.drift, name="manage-drift"),
    path("manage/drift/adopt/<int:discovered_id>/", staff.adopt, name="manage-adopt"),
    path("manage/drift/accept/<uuid:vm_id>/", staff.accept, name="manage-accept"),
    path("manage/drift/forget/<uuid:vm_id>/", staff.forget, name="manage-forget"),
    path("manage/operations/", staff.operations, name="manage-operations"),
    path("manage/audit/", staff.audit, name="manage-audit"),
]
