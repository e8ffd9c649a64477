"""Making virtual machines in the API: what a request asks for."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ValidationError

from accounts.models import Project, User
from accounts.selectors import projects_for
from common.sentences import gettext as _
from hypervisors.selectors import hypervisors_for
from vms.images import images_for, sites_known_to, sizes_offered
from vms.services import NewDisk, NewVm

from .choosing import chosen


def wanted_of(data: dict[str, Any], user: User) -> tuple[NewVm, Project]:
    """What a checked request asks for, and in which project. Raises ValidationError for what the user does not see."""
    size = chosen(data, "size", sizes_offered())
    if size is None and not ("vcpus" in data and "memory_bytes" in data):
        raise ValidationError({"size": [_("Choose a size, or give vcpus and memory_bytes.")]})
    project = chosen(data, "project", projects_for(user)) or user.personal_project
    disks = [NewDisk(size_bytes=disk["size_bytes"], pool=disk["pool"]) for disk in data.get("disks", ())]
    wanted = NewVm(
        name=data["name"],
        vcpus=data.get("vcpus", size.vcpus if size else 0),
        memory_bytes=data.get("memory_bytes", size.memory_bytes if size else 0),
        disks=disks or ([NewDisk(size.disk_bytes)] if size else []),
        nics=data.get("nics"),
        image=chosen(data, "image", images_for(user)),
        site=chosen(data, "site", sites_known_to(user)),
        hypervisor=chosen(data, "hypervisor", hypervisors_for(user)),
        ssh_keys=data.get("ssh_keys", ()),
        password=data["password"],
        user_data=data["user_data"],
        network_config=data["network_config"],
        firmware=data["firmware"],
        has_legacy_devices=data["devices"] == "legacy",
        is_autostarted=data["autostart"],
        is_started=data["start"],
        remarks=data["remarks"],
    )
    return wanted, project
