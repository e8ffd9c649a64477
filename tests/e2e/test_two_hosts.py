"""One Eve with two hosts, each with an agent, a libvirtd and QEMUs of its own: where machines are made, and what comes to them there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.services.libvirt import LibvirtSandbox, libvirt_sandbox

from .house import House, house

MIB = 2**20
SECONDS = 120
MACHINES = (("large", 192), ("second", 64), ("third", 64), ("fourth", 32))
"""The first takes one host more memory than the others together take the other."""


@dataclass(frozen=True, slots=True)
class Host:
    """One of them."""

    name: str
    sandbox: LibvirtSandbox
    house: House
    """Starts and stops its agent; Eve herself is the first one's."""

    def machines(self) -> set[str]:
        """The ids of those that libvirt has there."""
        return set(self.sandbox.virsh("list", "--all", "--uuid").split())

    def files(self) -> set[str]:
        """What is in its pool."""
        return {path.name for path in self.sandbox.pool_folder.iterdir()}


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Both, of one site."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with (
        libvirt_sandbox() as one,
        libvirt_sandbox() as other,
        house(tmp_path / "first", libvirt_uri=one.uri, settings={"EVE_RESYNC_SECONDS": "5"}) as eve,
    ):
        beside = House(tmp_path / "second", libvirt_uri=other.uri, settings=eve.environment)
        try:
            beside.enrol("hv2", url=eve.url)
            beside.start_agent("hv2")
            yield Host("hv1", one, eve), Host("hv2", other, beside)
        finally:
            beside.close()


@pytest.mark.timeout(400)
def test_machines_go_where_most_memory_is_left(hosts: tuple[Host, Host]) -> None:
    eve = hosts[0].house
    token = eve.token()
    made = {name: make(eve, token, name, memory_bytes=mib * MIB) for name, mib in MACHINES}
    places = {name: host_of(eve, token, vm_id) for name, vm_id in made.items()}
    large, small = (next(host for host in hosts if host.name == places[name]) for name in ("large", "second"))
    assert places == {"large": large.name, "second": small.name, "third": small.name, "fourth": small.name}
    assert large.machines() == {made["large"]}
    assert small.machines() == set(made.values()) - {made["large"]}
    for name, vm_id in made.items():
        assert eve.vm_state(vm_id, token) == "running", name

    small.house.stop_agent(signal.SIGKILL)
    eve.wait_until(lambda: state_of(eve, token, small.name) == "offline", "the host to be away", seconds=SECONDS)
    made["fifth"] = make(eve, token, "fifth", memory_bytes=64 * MIB)
    assert host_of(eve, token, made["fifth"]) == large.name, "the other cannot be asked"
    assert eve.api("DELETE", f"/vms/{made['second']}", token=token).json()["code"] == "host_away"
    small.house.start_agent(small.name)
    for vm_id in made.values():
        remove(eve, token, vm_id)
    assert [host.machines() for host in hosts] == [set(), set()]
    assert [host.files() for host in hosts] == [set(), set()]


@pytest.mark.timeout(400)
def test_an_image_goes_to_the_host_that_needs_it(hosts: tuple[Host, Host]) -> None:
    eve = hosts[0].house
    token = eve.token()
    image = upload(eve, token, os.urandom(9 * MIB))
    (has_it,) = (host for host in hosts if host.files() == {f"{image}.img"})
    (needs_it,) = (host for host in hosts if host is not has_it)
    near = make(eve, token, "near", memory_bytes=128 * MIB, image=image)
    assert host_of(eve, token, near) == has_it.name, "where the image is, though both have the same memory"
    ids = {host["name"]: host["id"] for host in eve.api("GET", "/hypervisors", token=token).json()["results"]}
    far = make(eve, token, "far", memory_bytes=64 * MIB, image=image, hypervisor=ids[needs_it.name])
    assert needs_it.machines() == {far}
    copies = [(host.sandbox.pool_folder / f"{image}.img").read_bytes() for host in hosts]
    assert copies[0] == copies[1]
    for vm_id in (near, far):
        remove(eve, token, vm_id)
    over(eve, token, eve.api("DELETE", f"/images/{image}", token=token).json()["operation"])
    assert [host.files() for host in hosts] == [set(), set()]


def make(eve: House, token: str, name: str, **fields: Any) -> str:
    """The id of a new machine that runs."""
    body = {"name": name, "vcpus": 1, "disks": [{"size_bytes": 16 * MIB}], **fields}
    answer = eve.api("POST", "/vms", token=token, json=body)
    assert answer.status_code == 202, answer.text
    over(eve, token, answer.json()["operation"])
    return str(answer.json()["id"])


def remove(eve: House, token: str, vm_id: str) -> None:
    """Deletes a machine with its disks."""
    answer = eve.api("DELETE", f"/vms/{vm_id}", token=token)
    assert answer.status_code == 202, answer.text
    over(eve, token, answer.json()["operation"])


def upload(eve: House, token: str, data: bytes) -> str:
    """The id of a new image of these bytes."""
    wanted = {"name": "bytes", "format": "raw", "size_bytes": len(data)}
    announced = eve.api("POST", "/images", token=token, json=wanted)
    assert announced.status_code == 201, announced.text
    image, sent = str(announced.json()["image"]["id"]), 0
    while sent < len(data):
        piece = data[sent : sent + 8 * MIB]
        answer = eve.api("PUT", f"/images/{image}/data?offset={sent}", token=token, data=piece)
        assert answer.status_code == 200, answer.text
        sent = answer.json()["received_bytes"]
    over(eve, token, eve.api("POST", f"/images/{image}/data", token=token).json()["operation"])
    return image


def over(eve: House, token: str, address: str) -> None:
    """Waits until the operation has done what it was to do."""
    ended = eve.over(address, token=token, seconds=SECONDS)
    assert ended["state"] == "succeeded", ended


def host_of(eve: House, token: str, vm_id: str) -> str:
    """The name of the host where a machine is."""
    return str(eve.api("GET", f"/vms/{vm_id}", token=token).json()["hypervisor"]["name"])


def state_of(eve: House, token: str, name: str) -> str:
    """What Eve knows of a host."""
    hosts = eve.api("GET", "/hypervisors", token=token).json()["results"]
    return str(next(host["state"] for host in hosts if host["name"] == name))
