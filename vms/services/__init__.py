"""What changes virtual machines. Nothing here talks to a host: that is what operations are for."""

from .bulk import Outcome, vms_change_state, vms_move
from .copying import vm_clone, vm_template
from .creating import NewDisk, NewNic, NewVm, vm_create
from .deleting import vm_delete
from .disks import disk_attach, disk_delete, disk_detach
from .drift import vm_accept_drift, vm_restore
from .hardware import cd_change, disk_add, disk_grow, disk_remove, nic_add, nic_remove, vm_resize
from .images import (
    NewImage,
    image_check,
    image_delete,
    image_fetch,
    image_take,
    image_update,
    image_upload,
    uploads_sweep,
)
from .machines import vm_adopt, vm_change_state, vm_forget, vm_move, vm_update
from .networks import network_set_open
from .quotas import quota_reserve, quota_set
from .rescue import NewSystem, vm_reinstall, vm_rescue, vm_rescue_end
from .settings import boot_order_set, vm_configure
from .sizes import size_create, size_delete, size_update
from .snapshots import snapshot_delete, snapshot_make, snapshot_revert

__all__ = [
    "NewDisk",
    "NewImage",
    "NewNic",
    "NewSystem",
    "NewVm",
    "Outcome",
    "boot_order_set",
    "cd_change",
    "disk_add",
    "disk_attach",
    "disk_delete",
    "disk_detach",
    "disk_grow",
    "disk_remove",
    "image_check",
    "image_delete",
    "image_fetch",
    "image_take",
    "image_update",
    "image_upload",
    "network_set_open",
    "nic_add",
    "nic_remove",
    "quota_reserve",
    "quota_set",
    "size_create",
    "size_delete",
    "size_update",
    "snapshot_delete",
    "snapshot_make",
    "snapshot_revert",
    "uploads_sweep",
    "vm_accept_drift",
    "vm_adopt",
    "vm_change_state",
    "vm_clone",
    "vm_configure",
    "vm_create",
    "vm_delete",
    "vm_forget",
    "vm_move",
    "vm_reinstall",
    "vm_rescue",
    "vm_rescue_end",
    "vm_resize",
    "vm_restore",
    "vm_template",
    "vm_update",
    "vms_change_state",
    "vms_move",
]
