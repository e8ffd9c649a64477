"""What changes virtual machines. Nothing here talks to a host: that is what operations are for."""

from .creating import NewDisk, NewNic, NewVm, vm_create
from .deleting import vm_delete
from .machines import vm_accept_drift, vm_adopt, vm_change_state, vm_forget, vm_move, vm_update
from .quotas import quota_reserve, quota_set

__all__ = [
    "NewDisk",
    "NewNic",
    "NewVm",
    "quota_reserve",
    "quota_set",
    "vm_accept_drift",
    "vm_adopt",
    "vm_change_state",
    "vm_create",
    "vm_delete",
    "vm_forget",
    "vm_move",
    "vm_update",
]
