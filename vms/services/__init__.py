"""What changes virtual machines. Nothing here talks to a host: that is what operations are for."""

from .creating import NewDisk, NewNic, NewVm, vm_create
from .deleting import vm_delete
from .images import (
    NewImage,
    image_check,
    image_delete,
    image_fetch,
    image_take,
    image_update,
    image_upload,
)
from .machines import vm_accept_drift, vm_adopt, vm_change_state, vm_forget, vm_move, vm_update
from .quotas import quota_reserve, quota_set
from .sizes import size_create, size_delete, size_update

__all__ = [
    "NewDisk",
    "NewImage",
    "NewNic",
    "NewVm",
    "image_check",
    "image_delete",
    "image_fetch",
    "image_take",
    "image_update",
    "image_upload",
    "quota_reserve",
    "quota_set",
    "size_create",
    "size_delete",
    "size_update",
    "vm_accept_drift",
    "vm_adopt",
    "vm_change_state",
    "vm_create",
    "vm_delete",
    "vm_forget",
    "vm_move",
    "vm_update",
]
