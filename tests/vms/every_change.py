"""How every kind of operation on machines, disks and images is asked for. Whoever registers another kind writes down here how."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from operations.handlers import Lane, OperationTask, find, kinds_in
from operations.models import Operation, OperationState
from tests.cast import Cast
from tests.hypervisors.real_agent import RealAgent
from vms.inventory import domain_apply, domain_remove
from vms.models import Disk, Image, ImageCopy, Quota, Vm
from vms.services import uploads_sweep
from vms.services.seeds import SILENT, seeds_end

from .images.test_coming import DATA, begin, send

GIB = 2**30
ROOM = 1000
"""So many of everything, so that no quota ends a sweep."""
FAST = "fast"
"""Another pool than the default one; images come to that one."""
Work = Callable[[], Operation]


@dataclass
class Asking:
    """Who asks, and what the last machine and image are. Each machine has a number of its own."""

    cast: Cast
    agent: RealAgent
    work: Work
    files: str
    """Where a file for an image may be fetched."""
    number: int = 0
    vm: Vm = field(default_factory=Vm)
    image: str = ""
    key: str = ""
    """What requests are called by."""
    is_prepared: bool = False
    """Whether all is still as the steps before the last one left it."""
    stays: tuple[int, int] = (0, 0)
    """What there was then of what is not taken back."""
    again: Callable[[], Any] = field(init=False)
    """Sends the last request once more."""

    def __post_init__(self) -> None:
        host = self.agent.hypervisor
        self.agent.driver.pool_names.append(FAST)
        host.facts["pools"].append({**host.facts["pools"][0], "name": FAST, "available_bytes": ROOM * GIB // 10})
        host.save(update_fields=["facts"])
        Quota.objects.create(project=self.cast.acme, vms=ROOM, vcpus=ROOM, images=ROOM, memory_bytes=ROOM * GIB)

    def ask(self, *steps: Step) -> Operation:
        """Takes the steps, each once the one before is done, and returns what the last one queued."""
        *before, last = steps
        for step in before:
            step(self)
            self.done()
        last(self)
        return Operation.objects.order_by("-created_at")[0]

    def prepare(self, change: str) -> None:
        """Takes the steps before the last one; not once more where nothing came of that one (:attr:`is_prepared`), not even what stays."""
        *before, _last = CHANGES[change]
        if before and not (self.is_prepared and self.stays == _what_stays()):
            self.ask(*before)
            self.done()
        self.stays = _what_stays()

    def done(self) -> None:
        """Does what waits."""
        while Operation.objects.filter(state=OperationState.QUEUED).exists():
            operation = self.work()
            assert operation.state == OperationState.SUCCEEDED, operation.error

    def request(self, method: str, path: str, body: Any = None, *, who: str = "owner") -> dict[str, Any]:
        """What the API answers to what it accepts."""
        send = getattr(self.cast.api(getattr(self.cast, who)), method)
        headers = {"Idempotency-Key": self.key} if self.key else {}
        self.again = partial(
            send, f"/api/v1/{path}".rstrip("/").replace("/?", "?"), body, format="json", headers=headers
        )
        answer = self.again()
        assert answer.status_code == 202, answer.content
        return dict(answer.json())

    def upload(self, kind: str) -> str:
        """An image all of whose bytes are on the host, still to be checked."""
        path = begin(self.cast, kind=kind)
        assert send(self.cast, path, 0, len(DATA)).status_code == 200
        self.image = path.split("/")[-2]
        return path.removeprefix("/api/v1/")


Step = Callable[[Asking], Any]


def new(**fields: Any) -> Step:
    """Asks for a machine."""

    def step(asking: Asking) -> None:
        asking.number += 1
        image = {"image": asking.image} if fields.get("image") else {}
        body = {
            "name": f"vm-{asking.number}",
            "vcpus": 1,
            "memory_bytes": GIB // 4,
            "disks": [{"size_bytes": GIB}],
            "project": str(asking.cast.acme.pk),
            **fields,
            **image,
        }
        asking.vm = Vm.objects.get(pk=asking.request("post", "vms", body)["id"])

    return step


def of_vm(method: str, path: str, body: Any = None, *, who: str = "owner") -> Step:
    """Asks for something of the last machine, with ids in path and body."""

    def step(asking: Asking) -> None:
        ids = _ids(asking)
        asking.request(method, f"vms/{asking.vm.pk}/{path}".format(**ids), _filled(body, ids), who=who)

    return step


def ready(kind: str) -> Step:
    """An image that is there."""
    return lambda asking: asking.request("post", asking.upload(kind))


def to_check(asking: Asking) -> None:
    """Says that all of an upload is sent."""
    asking.request("post", asking.upload("cloud"))


def to_fetch(asking: Asking) -> None:
    """Asks for an image by its address."""
    body = {**_image(asking), "project": str(asking.cast.acme.pk), "url": f"{asking.files}/image"}
    asking.request("post", "images", body)


def to_take(asking: Asking) -> None:
    """Asks for an image of a file in a pool: that of the last one."""
    volume = {"hypervisor": str(asking.agent.hypervisor.pk), "pool": "default", "name": f"{asking.image}.img"}
    asking.request("post", "images", {**_image(asking), "volume": volume}, who="staff_here")


def to_delete_image(asking: Asking) -> None:
    """Deletes the last one."""
    asking.request("delete", f"images/{asking.image}")


def to_give_up(asking: Asking) -> None:
    """An upload that nobody goes on with."""
    asking.upload("cloud")
    Image.objects.filter(pk=asking.image).update(received_at=timezone.now() - dt.timedelta(days=2))
    assert uploads_sweep() == 1


def to_delete_disk(asking: Asking) -> None:
    """Deletes the last kept disk."""
    asking.request("delete", f"disks/{_ids(asking)['kept']}")


def to_end_the_first_boot(asking: Asking) -> None:
    """The machine has run for long enough."""
    Vm.objects.filter(pk=asking.vm.pk).update(state_since=timezone.now() - 2 * SILENT)
    assert seeds_end(hypervisor_id=asking.agent.hypervisor.pk) == 1


def lost_card(asking: Asking) -> None:
    """Somebody takes its cards away on the host."""
    domain = asking.agent.call(asking.agent.driver.change, asking.vm.pk, nics=())
    domain_apply(hypervisor_id=asking.vm.hypervisor_id, domain=domain)


def lost_domain(asking: Asking) -> None:
    """Somebody undefines it on the host, while it is off."""
    asking.agent.call(asking.agent.driver.remove, asking.vm.pk)
    domain_remove(hypervisor_id=asking.vm.hypervisor_id, domain_uuid=asking.vm.pk)


def power(action: str) -> Step:
    """Asks for a change of its state."""
    return of_vm("patch", "state", {"action": action})


DISK, CARD = of_vm("post", "disks", {"size_bytes": GIB}), of_vm("post", "nics", {"network": "default"})
MACHINE = (new(disks=[{"size_bytes": GIB}] * 2, nics=[{"network": "default"}] * 2),)
CLOUD = (ready("cloud"), new(image=True))
ELSEWHERE = (new(disks=[{"size_bytes": GIB, "pool": FAST}]), ready("iso"))
"""An ISO is in another pool than the machine that is to have it."""
KEPT = of_vm("delete", "disks/{second}?keep=true")
SNAPSHOT = of_vm("post", "snapshots", {"name": "before"})
RESCUE = of_vm("put", "rescue", {"image": "{image}"})
CLONE = of_vm("post", "clone", {"name": "copy-{number}", "start": True})
RESTORE = of_vm("post", "drift/restore", who="staff_here")
CHANGES: dict[str, Sequence[Step]] = {
    "image.check": [to_check],
    "image.fetch": [to_fetch],
    "image.take": [ready("cloud"), to_take],
    "image.delete": [ready("cloud"), to_delete_image],
    "image.delete given up": [to_give_up],
    "vm.create": [new()],
    "vm.create cloud": CLOUD,
    "vm.create copied": [ready("cloud"), new(image=True, disks=[{"size_bytes": GIB, "pool": FAST}])],
    "vm.delete": [*MACHINE, of_vm("delete", "")],
    "vm.delete cloud": [*CLOUD, of_vm("delete", "?keep_disks=true")],
    "vm.start": [new(), power("stop"), power("start")],
    "vm.stop": [new(), power("stop")],
    "vm.shutdown": [new(), power("shutdown")],
    "vm.reboot": [new(), power("reboot")],
    "vm.reset": [new(), power("reset")],
    "vm.suspend": [new(), power("suspend")],
    "vm.resume": [new(), power("suspend"), power("resume")],
    "vm.settings": [new(), of_vm("patch", "", {"name": "other-{number}", "autostart": True})],
    "vm.boot": [*MACHINE, of_vm("put", "boot", {"devices": ["{second}", "cdrom"]})],
    "vm.resize": [new(), of_vm("put", "resources", {"vcpus": 2, "memory_bytes": GIB // 2})],
    "vm.disk_add": [*MACHINE, DISK],
    "vm.disk_grow": [*MACHINE, of_vm("patch", "disks/{second}", {"size_bytes": 2 * GIB})],
    "vm.disk_remove": [*MACHINE, of_vm("delete", "disks/{second}")],
    "vm.disk_detach": [*MACHINE, KEPT],
    "vm.disk_attach": [*MACHINE, KEPT, of_vm("put", "disks/{kept}")],
    "disk.delete": [*MACHINE, KEPT, to_delete_disk],
    "vm.nic_add": [*MACHINE, CARD],
    "vm.nic_remove": [*MACHINE, of_vm("delete", "nics/{nic}")],
    "vm.cd": [new(), ready("iso"), of_vm("put", "cd", {"image": "{image}"})],
    "vm.cd out": [new(), of_vm("put", "cd", {"image": None})],
    "vm.cd copied": [*ELSEWHERE, of_vm("put", "cd", {"image": "{image}"})],
    "vm.snapshot": [*MACHINE, SNAPSHOT],
    "vm.snapshot_revert": [*MACHINE, SNAPSHOT, of_vm("post", "snapshots/{snapshot}/revert")],
    "vm.snapshot_delete": [*MACHINE, SNAPSHOT, of_vm("delete", "snapshots/{snapshot}")],
    "vm.clone": [*MACHINE, power("stop"), CLONE],
    "vm.clone cloud": [*CLOUD, power("stop"), CLONE],
    "vm.template": [*MACHINE, power("stop"), of_vm("post", "template", {"name": "image {number}"})],
    "vm.rescue": [*MACHINE, ready("iso"), RESCUE],
    "vm.rescue_end": [*MACHINE, ready("iso"), RESCUE, of_vm("delete", "rescue")],
    "vm.reinstall": [*MACHINE, ready("iso"), of_vm("post", "reinstall", {"image": "{image}"})],
    "vm.reinstall cloud": [*CLOUD, of_vm("post", "reinstall", {"image": "{image}", "password": "a-canary-2"})],
    "vm.rescue copied": [*ELSEWHERE, of_vm("put", "rescue", {"image": "{image}"})],
    "vm.reinstall copied": [*ELSEWHERE, of_vm("post", "reinstall", {"image": "{image}"})],
    "vm.restore": [*MACHINE, lost_card, RESTORE],
    "vm.restore domain": [*CLOUD, power("stop"), lost_domain, RESTORE],
    "vm.seed_end": [*CLOUD, to_end_the_first_boot],
}
"""By kind, and which way where there are several: what is asked for, each step once the one before is done. The last one is what counts."""


def kind_of(change: str) -> str:
    """The kind of operation that it ends with."""
    return change.partition(" ")[0]


def handler_of(change: str) -> OperationTask:
    """What does it."""
    return find(kind_of(change))


def changes(*, but: Callable[[OperationTask], bool] = lambda handler: False) -> list[str]:
    """Of every kind that is registered for machines, disks and images; a kind that nobody wrote down comes as well, and fails."""
    kinds = [kind for lane in Lane for kind in kinds_in(lane) if kind.startswith(("vm.", "disk.", "image."))]
    unknown = set(kinds) - {kind_of(change) for change in CHANGES}
    return sorted(change for change in {*CHANGES, *unknown} if not but(handler_of(change)))


def _ids(asking: Asking) -> dict[str, Any]:
    vm = asking.vm
    return {
        "number": asking.number,
        "image": asking.image,
        "second": (vm.disks.order_by("position").last() or Disk()).pk,
        "kept": (Disk.objects.filter(vm=None).order_by("kept_since").last() or Disk()).pk,
        "nic": vm.nics.values_list("mac", flat=True).first(),
        "snapshot": (vm.snapshots.first() or Disk()).pk,
    }


def _what_stays() -> tuple[int, int]:
    """How many copies of images there are, and how many bytes disks have grown to."""
    return ImageCopy.objects.count(), Disk.objects.aggregate(bytes=Sum("size_bytes"))["bytes"] or 0


def _image(asking: Asking) -> dict[str, str]:
    return {"name": "Debian 12", "format": "raw", "site": str(asking.cast.here.pk)}


def _filled(value: Any, ids: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, ids) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, ids) for each in value]
    return value.format(**ids) if isinstance(value, str) else value
