"""How lists about virtual machines can be searched, narrowed and sorted. That of the machines themselves is :mod:`vms.listing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from eve_agent.wire.domain import StateAction

from accounts.models import AuditOutcome
from common.lists import Choices, LoadedChoices, holds
from common.sentences import gettext_lazy as _
from hypervisors.models import HypervisorState
from operations.models import OperationState

from .hosts import Host
from .models import ImageKind
from .operation_lines import DISK, IMAGE
from .states import kind_of
from .storage import PoolOfHost

PROJECTS_FOR_MACHINES: Final = Choices(
    placeholder=_("Name or e-mail address"),
    find=lambda text: Q(name__icontains=text) | Q(personal_owner__email__icontains=text),
    groups={
        "shared": (_("Shared"), Q(personal_owner=None)),
        "personal": (_("Personal"), Q(personal_owner__isnull=False)),
    },
    sorts={"name": (_("By name"), ("name", "id")), "new": (_("Newest first"), ("-created_at", "id"))},
)
ACTIVITY: Final = Choices(
    placeholder=_("What or who"),
    find=lambda text: Q(target_label__icontains=text) | Q(actor__name__icontains=text) | Q(actor_label__icontains=text),
    groups={
        "power": (_("Starts and stops"), Q(action__in=[kind_of(action) for action in StateAction])),
        "consoles": (_("Consoles"), Q(action__startswith="console.")),
        "images": (_("Images and kept disks"), Q(target_type__in=[IMAGE, DISK])),
        "failed": (_("What did not work"), ~Q(outcome=AuditOutcome.SUCCESS)),
    },
    sorts={"new": (_("Newest first"), ("-at", "id")), "old": (_("Oldest first"), ("at", "id"))},
)
AUDIT: Final = Choices(
    placeholder=_("Who, action, target or request"),
    find=lambda text: (
        Q(action__istartswith=text)
        | Q(actor_label__icontains=text)
        | Q(target_label__icontains=text)
        | Q(request_id=text)
    ),
    group_name="outcome",
    groups={value: (label, Q(outcome=value)) for value, label in AuditOutcome.choices},
    more_names=("from", "to"),
    sorts={
        "new": (_("Newest first"), ("-at", "id")),
        "old": (_("Oldest first"), ("at", "id")),
        "who": (_("By who"), ("actor_label", "-at", "id")),
        "action": (_("By action"), ("action", "-at", "id")),
    },
)
IMAGES: Final = Choices(
    placeholder=_("Name or remarks"),
    find=lambda text: Q(name__icontains=text) | Q(remarks__icontains=text),
    group_name="kind",
    groups={value: (label, Q(kind=value)) for value, label in ImageKind.choices},
    sorts={
        "name": (_("By name"), ("name", "id")),
        "new": (_("Newest first"), ("-created_at", "id")),
        "large": (_("Largest first"), ("-size_bytes", "name", "id")),
        "site": (_("By site"), ("site__name", "name", "id")),
    },
)
OPERATIONS: Final = Choices(
    placeholder=_("Target or e-mail address"),
    find=lambda text: Q(target_label__icontains=text) | Q(requested_by__email__icontains=text),
    group_name="state",
    groups={value: (label, Q(state=value)) for value, label in OperationState.choices},
    sorts={
        "new": (_("Newest first"), ("-created_at", "id")),
        "old": (_("Oldest first"), ("created_at", "id")),
        "ended": (_("Latest end first"), (F("finished_at").desc(nulls_last=True), "id")),
        "target": (_("By target"), ("target_label", "-created_at", "id")),
    },
)
VM_OPERATIONS: Final = Choices(
    placeholder=_("Who"),
    find=lambda text: Q(requested_by__name__icontains=text) | Q(requested_by__email__icontains=text),
    group_name=OPERATIONS.group_name,
    groups=OPERATIONS.groups,
    sorts={key: OPERATIONS.sorts[key] for key in ("new", "old", "ended")},
)
OUTAGES: Final = Choices(
    placeholder=_("Why"),
    find=lambda text: Q(reason__icontains=text),
    group_name="state",
    groups={
        state.value: (state.label, Q(state=state))
        for state in (
            HypervisorState.OFFLINE,
            HypervisorState.LIBVIRT_DOWN,
            HypervisorState.REJECTED,
            HypervisorState.REVOKED,
        )
    },
    sorts={
        "new": (_("Newest first"), ("-began_at", "-id")),
        "old": (_("Oldest first"), ("began_at", "id")),
        "long": (_("Longest first"), ((Coalesce(F("ended_at"), Now()) - F("began_at")).desc(), "id")),
    },
)
QUOTAS: Final = Choices(
    placeholder=_("Project"),
    find=lambda text: Q(name__icontains=text),
    groups={
        "own": (_("With limits of their own"), Q(quota__isnull=False)),
        "default": (_("With the limits of all"), Q(quota=None)),
    },
    sorts={"name": (_("By name"), ("name", "id")), "new": (_("Newest first"), ("-created_at", "id"))},
)
SIZES: Final = Choices(
    placeholder=_("Name"),
    find=lambda text: Q(name__icontains=text),
    groups={
        "offered": (_("Offered"), Q(is_offered=True)),
        "kept": (_("Not offered any more"), Q(is_offered=False)),
    },
    sorts={
        "small": (_("Smallest first"), ("memory_bytes", "vcpus", "disk_bytes", "name")),
        "large": (_("Largest first"), ("-memory_bytes", "-vcpus", "-disk_bytes", "name")),
        "name": (_("By name"), ("name",)),
    },
)
POOLS: Final[LoadedChoices[PoolOfHost]] = LoadedChoices(
    placeholder=_("Pool, host or site"),
    find=lambda text: lambda pool: holds(text, pool.name, pool.hypervisor.name, pool.site.name),
    groups={
        "usable": (_("For images and disks"), lambda pool: pool.is_usable),
        "other": (_("Not for images and disks"), lambda pool: not pool.is_usable),
    },
    sorts={
        "site": (_("By site"), lambda pool: pool.site.name),
        "name": (_("By name"), lambda pool: pool.name),
        "full": (_("Fullest first"), lambda pool: -pool.share.percent),
        "room": (_("Most room first"), lambda pool: -pool.available_bytes),
    },
)


def _in_state(state: HypervisorState) -> Callable[[Host], bool]:
    return lambda host: host.row.state == state


HOSTS: Final[LoadedChoices[Host]] = LoadedChoices(
    placeholder=_("Host, address or site"),
    find=lambda text: lambda host: holds(text, host.row.name, host.row.address, host.row.site.name, host.row.remarks),
    group_name="state",
    groups={state.value: (state.label, _in_state(state)) for state in HypervisorState},
    sorts={
        "site": (_("By site"), lambda host: host.row.site.name),
        "name": (_("By name"), lambda host: host.row.name),
        "vms": (_("Most machines first"), lambda host: -host.vm_count),
        "memory": (_("Fullest memory first"), lambda host: -host.memory.percent if host.memory else 0),
        "storage": (_("Fullest storage first"), lambda host: -host.storage.percent if host.storage else 0),
    },
)
