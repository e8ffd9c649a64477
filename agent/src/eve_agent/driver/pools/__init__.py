"""Files of a storage pool, without libvirt: all that Eve puts there, and nothing beyond."""

from .folder import PoolFolder
from .qemu_img import ImageInfo, QemuImg
from .seed import seed_image

__all__ = ["ImageInfo", "PoolFolder", "QemuImg", "seed_image"]
