"""Virtual machines and what they are made of.

=============  ==============================================================
machines       virtual machines, and the domains that hosts report beside them
devices        their disks and network cards, and what a first boot is told
images         images, where their bytes are, and sizes
quotas         what a project may use
snapshots      what machines were at some moment
=============  ==============================================================
"""

from .devices import Disk, DiskBus, FirstBoot, Nic, NicKind, NicModel
from .images import Image, ImageCopy, ImageFormat, ImageKind, ImageState, Size
from .machines import DiscoveredDomain, Firmware, Lifecycle, Vm, VmState
from .quotas import Quota
from .snapshots import Snapshot, SnapshotState

__all__ = [
    "DiscoveredDomain",
    "Disk",
    "DiskBus",
    "Firmware",
    "FirstBoot",
    "Image",
    "ImageCopy",
    "ImageFormat",
    "ImageKind",
    "ImageState",
    "Lifecycle",
    "Nic",
    "NicKind",
    "NicModel",
    "Quota",
    "Size",
    "Snapshot",
    "SnapshotState",
    "Vm",
    "VmState",
]
