"""Virtual machines and what they are made of.

=============  ==============================================================
machines       virtual machines, and the domains that hosts report beside them
devices        their disks and network cards
networks       what customers may plug cards into
images         images, where their bytes are, and sizes
quotas         what a project may use
seeds          what cloud-init in them is told
snapshots      what machines were at some moment
=============  ==============================================================
"""

from .devices import Disk, DiskBus, Nic, NicKind, NicModel
from .images import Image, ImageCopy, ImageFormat, ImageKind, ImageState, Size
from .machines import DiscoveredDomain, Firmware, Lifecycle, Vm, VmState
from .networks import OpenNetwork
from .quotas import Quota
from .seeds import Seed
from .snapshots import Snapshot, SnapshotState

__all__ = [
    "DiscoveredDomain",
    "Disk",
    "DiskBus",
    "Firmware",
    "Image",
    "ImageCopy",
    "ImageFormat",
    "ImageKind",
    "ImageState",
    "Lifecycle",
    "Nic",
    "NicKind",
    "NicModel",
    "OpenNetwork",
    "Quota",
    "Seed",
    "Size",
    "Snapshot",
    "SnapshotState",
    "Vm",
    "VmState",
]
