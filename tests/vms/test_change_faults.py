"""Changes of machines that somebody changes or undefines with virsh meanwhile, and many at once: Eve and the host agree afterwards."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from eve_agent.wire.domain import DomainState

from operations.models import ACTIVE_STATES, Operation
from tests.cast import Cast
from vms.models import Disk, Image, ImageState, Vm

from .changing_host import ChangingHost
from .stub_host import GIB
from .test_changing import ask, host, vm, work

__all__ = ["host", "vm"]

CHANGES: dict[str, tuple[str, str, Any]] = {
    "settings": ("patch", "", {"name": "other", "autostart": True}),
    "resize": ("put", "resources", {"vcpus": 3, "memory_bytes": 3 * GIB}),
    "disk-add": ("post", "disks", {"size_bytes": GIB}),
    "disk-grow": ("patch", "disks/{second}", {"size_bytes": 2 * GIB}),
    "disk-remove": ("delete", "disks/{second}", None),
    "disk-detach": ("delete", "disks/{second}?keep=true", None),
    "nic-add": ("post", "nics", {"network": "default"}),
    "nic-remove": ("delete", "nics/{mac}", None),
    "snapshot": ("post", "snapshots", {"name": "before"}),
    "rescue": ("put", "rescue", {"image": "{iso}"}),
}

GONE_WITH_IT = frozenset({"disk-remove", "disk-detach", "nic-remove"})
"""A machine that is gone has no such thing any more, which was wanted."""


@pytest.fixture
def ready(cast: Cast, host: ChangingHost, vm: Vm) -> dict[str, str]:
    """The ids of a second disk, the card and an ISO."""
    ask(cast, vm, "post", "disks", {"size_bytes": GIB})
    second = work().result["disk"]
    vm.nics.all().delete()  # the host in memory knows of those that were attached
    ask(cast, vm, "post", "nics", {"network": "default"})
    mac = work().result["mac"]
    iso = Image.objects.create(name="disc", kind="iso", format="raw", site=cast.here, state=ImageState.READY)
    host.has_image(iso.pk)
    return {"second": second, "mac": mac, "iso": str(iso.pk)}


@pytest.mark.parametrize("change", CHANGES)
def test_somebody_undefined_it_meanwhile(
    cast: Cast, host: ChangingHost, vm: Vm, ready: dict[str, str], change: str
) -> None:
    method, path, body = CHANGES[change]
    given = {key: value.format(**ready) if isinstance(value, str) else value for key, value in (body or {}).items()}
    volumes = set(host.disks)
    assert ask(cast, vm, method, path.format(**ready), given or None).status_code == 202
    del host.domains[vm.pk]
    operation = work()
    if change in GONE_WITH_IT:
        assert (operation.state, operation.error) == ("succeeded", None)
    else:
        assert (operation.state, operation.error["agent_code"]) == ("failed", "domain_not_found")
        assert operation.error["detail"].startswith("The host does not have this virtual machine any more.")
    kept = set(Disk.objects.values_list("pk", flat=True))
    assert set(host.disks) == kept
    assert volumes - kept <= {key for key in volumes if str(key) == ready["second"] and change == "disk-remove"}
    assert (Vm.objects.get(pk=vm.pk).name, Vm.objects.get(pk=vm.pk).rescue) == ("web", {})


def test_what_virsh_took_away_is_no_fault(cast: Cast, host: ChangingHost, vm: Vm, ready: dict[str, str]) -> None:
    domain = host.domains[vm.pk]
    host._put(vm.pk, disks=domain.disks[:1], nics=())
    for path in (f"disks/{ready['second']}", f"nics/{ready['mac']}"):
        assert ask(cast, vm, "delete", path).status_code == 202
        assert work().state == "succeeded"
    assert (vm.disks.count(), vm.nics.count(), len(host.disks)) == (1, 0, 1)


def test_what_virsh_changed_is_shown(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    host._put(vm.pk, vcpus=1)
    ask(cast, vm, "post", "nics", {"network": "default"})
    assert work().state == "succeeded"
    vm.refresh_from_db()
    assert (vm.vcpus, vm.seen_vcpus) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_many_delete_and_start_at_once(cast: Cast, host: ChangingHost, vm: Vm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vms.handlers.power.AgentClient", host.client)
    host._put(vm.pk, state=DomainState.OFF)
    Vm.objects.filter(pk=vm.pk).update(state="off")
    gate, answers = threading.Barrier(8), []

    def send(number: int) -> None:
        gate.wait()
        try:
            if number % 2:
                answers.append(ask(cast, vm, "delete", "").status_code)
            else:
                answers.append(ask(cast, vm, "patch", "state", {"action": "start"}).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {202, 409}
    assert 202 in answers
    active = Operation.objects.filter(target_id=vm.pk, state__in=ACTIVE_STATES)
    assert active.count() == 1
    kind = active.get().kind
    assert work().state == "succeeded"
    assert Vm.objects.filter(pk=vm.pk).exists() == (kind == "vm.start")
    assert bool(host.domains) == (kind == "vm.start")
