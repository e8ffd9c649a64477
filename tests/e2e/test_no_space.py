"""A real pool fills up in the middle of a create, a copy and a snapshot: each is refused in clear words, and nothing of it stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import World
from .test_faults import MIB, OLIVIA, host_there, over, reached, until
from .test_machines import upload

IMAGE_MIB = 16


@contextmanager
def filled(world: World, *, but_bytes: int) -> Iterator[None]:
    """Somebody takes the small pool's room while its libvirtd stands still: what was asked for before was let through."""
    small = world.sandbox.small_folder
    filler = small / "filler"
    with world.sandbox.stopped("libvirtd"):
        yield
        free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - but_bytes)


def freed(world: World) -> None:
    """The room is there again, and Eve knows."""
    (world.sandbox.small_folder / "filler").unlink()
    until(lambda: room_bytes(world) > IMAGE_MIB * MIB)


def room_bytes(world: World) -> int:
    """What Eve knows to be left in the small pool."""
    pools = world.house.api("GET", "/pools", token=world.house.token()).json()["results"]
    return int(next(pool["available_bytes"] for pool in pools if pool["name"] == "small"))


def asked(world: World, token: str, path: str, **body: Any) -> dict[str, Any]:
    """What the API accepted."""
    answer = world.house.api("POST", path, token=token, json=body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def refused(world: World, token: str, address: str) -> None:
    """It ended with what a person can do something about."""
    ended = over(world, token, address)
    error = ended["error"]
    assert (ended["state"], error["agent_code"]) == ("failed", "no_space"), ended
    assert "has no room for it" in error["detail"], error


def names(folder: Path) -> set[str]:
    """What is in it."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.timeout(900)
def test_a_pool_that_fills_up_in_the_middle(world: World) -> None:
    token, small = world.house.token(OLIVIA), world.sandbox.small_folder
    image = upload(world, "Sixteen", data=os.urandom(IMAGE_MIB * MIB), format="raw")
    host_there(world)
    body = {"vcpus": 1, "memory_bytes": 64 * MIB, "image": image, "project": world.acme, "start": False, "nics": []}
    body["disks"] = [{"size_bytes": IMAGE_MIB * MIB, "pool": "small"}]

    with filled(world, but_bytes=IMAGE_MIB // 2 * MIB):
        made = asked(world, token, "/vms", name="full-01", **body)
        reached(world, token, made["operation"], 1)
    refused(world, token, made["operation"])
    assert world.house.api("GET", f"/vms/{made['id']}", token=token).status_code == 404
    assert names(small) == {"filler"}

    freed(world)
    made = asked(world, token, "/vms", name="full-02", **body)
    assert over(world, token, made["operation"])["state"] == "succeeded"
    there = names(small)
    with filled(world, but_bytes=IMAGE_MIB // 2 * MIB):
        copied = asked(world, token, f"/vms/{made['id']}/clone", name="full-03")
        reached(world, token, copied["operation"], 1)
    refused(world, token, copied["operation"])
    assert world.house.api("GET", f"/vms/{copied['id']}", token=token).status_code == 404
    assert names(small) == there | {"filler"}

    freed(world)
    with filled(world, but_bytes=0):
        kept = asked(world, token, f"/vms/{made['id']}/snapshots", name="before")
        reached(world, token, kept["operation"], 1)
    refused(world, token, kept["operation"])
    assert world.house.api("GET", f"/vms/{made['id']}/snapshots", token=token).json()["results"] == []
    assert world.sandbox.virsh("snapshot-list", made["id"], "--name").split() == []

    freed(world)
    kept = asked(world, token, f"/vms/{made['id']}/snapshots", name="before")
    assert over(world, token, kept["operation"])["state"] == "succeeded"
    gone = world.house.api("DELETE", f"/vms/{made['id']}", token=token).json()
    assert over(world, token, gone["operation"])["state"] == "succeeded"
    gone = world.house.api("DELETE", f"/images/{image}", token=world.house.token()).json()
    assert over(world, world.house.token(), gone["operation"])["state"] == "succeeded"
    assert names(small) == set()
