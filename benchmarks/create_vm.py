"""From ``POST /api/v1/vms`` with a cloud image to a VM that runs: how long, and how much of it is Eve's and the agent's own work.

    .venv/bin/python -m benchmarks.create_vm

Real libvirt and QEMU in a sandbox of their own, and a real cloud image (as for the tests: root; the image is made once, in two
minutes). The image is on the host. The agent writes down each call of libvirt; the time in which none was under way is their own.
The aim for that is 2 s.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.house import House
from tests.services.cloud_image import cloud_image_ensure
from tests.services.libvirt import libvirt_sandbox

from .figures import row

GIB = 2**30
POLL_SECONDS = 0.05
READY_SECONDS = 120
LIBVIRT_WORTH_TELLING_MS = 5


class TimedHouse(House):
    """A house whose agent writes down what libvirt takes."""

    @property
    def calls(self) -> Path:
        """Where."""
        return self.folder / "calls"

    def start_agent(self, name: str = "hv1") -> None:
        """Starts the agent, and waits until Eve sees it."""
        config = str(self.folder / "agent" / "agent.toml")
        module = [sys.executable, "-m", "benchmarks.machines.timed_agent", config, str(self.calls)]
        self.agent = self._start("agent", module)
        self.manage("hypervisor_wait", name, "--seconds", "60")

    def libvirt_calls(self, begun: float, ended: float) -> list[tuple[str, float, float]]:
        """What was asked of libvirt in that time."""
        found = [line.split() for line in self.calls.read_text().splitlines()]
        return [(name, float(a), float(b)) for name, a, b in found if float(a) >= begun and float(b) <= ended]


@dataclass(frozen=True, slots=True)
class Made:
    """How one creation went; milliseconds."""

    total: float
    libvirt: float
    phases: dict[str, float]
    calls: dict[str, float]


def image_upload(house: House, token: str) -> str:
    """Sends the cloud image. Returns its id once it is ready."""
    data = cloud_image_ensure().read_bytes()
    sites = house.api("GET", "/sites", token=token).json()["results"]
    site = next(each["id"] for each in sites if each["name"] == "here")
    wanted = {"name": "cloud", "site": site, "size_bytes": len(data)}
    image = house.api("POST", "/images", token=token, json=wanted).json()["image"]["id"]
    path, sent = f"/images/{image}", 0
    piece = house.api("GET", f"{path}/data", token=token).json()["piece_bytes"]
    while sent < len(data):
        answer = house.api("PUT", f"{path}/data?offset={sent}", token=token, data=data[sent : sent + piece])
        sent = answer.json()["received_bytes"]
    house.api("POST", f"{path}/data", token=token)
    deadline = time.monotonic() + READY_SECONDS
    while house.api("GET", path, token=token).json()["state"] != "ready":
        if time.monotonic() > deadline:
            raise SystemExit("The image does not become ready.")
        time.sleep(0.5)
    return str(image)


def follow(house: House, token: str, address: str) -> tuple[dict[str, Any], dict[str, float]]:
    """The operation once it is over, and how long each phase was shown, in milliseconds."""
    phases: dict[str, float] = defaultdict(float)
    at = time.monotonic()
    while True:
        operation: dict[str, Any] = house.api("GET", address.removeprefix("/api/v1"), token=token).json()
        before, at = at, time.monotonic()
        phases[operation["phase"] or "(queued)"] += (at - before) * 1000
        if operation["finished_at"]:
            return operation, dict(phases)
        time.sleep(POLL_SECONDS)


def create(house: TimedHouse, token: str, image: str, number: int) -> Made:
    """Makes one, and deletes it."""
    body = {
        "name": f"bench-{number}",
        "vcpus": 1,
        "memory_bytes": GIB // 4,
        "image": image,
        "disks": [{"size_bytes": 3 * GIB}],
        "nics": [],
        "ssh_keys": [],
        "user_data": "#cloud-config\n{}\n",
    }
    begun = time.time()
    answer = house.api("POST", "/vms", token=token, json=body)
    if answer.status_code != 202:
        raise SystemExit(answer.text)
    operation, phases = follow(house, token, answer.json()["operation"])
    if operation["state"] != "succeeded":
        raise SystemExit(f"{operation['state']}: {operation['error']}")
    ended = dt.datetime.fromisoformat(operation["finished_at"]).timestamp()
    calls = house.libvirt_calls(begun, ended)
    gone = house.api("DELETE", f"/vms/{answer.json()['id']}", token=token)
    follow(house, token, gone.json()["operation"])
    by_name: dict[str, float] = defaultdict(float)
    for name, start, end in calls:
        by_name[name] += (end - start) * 1000
    return Made((ended - begun) * 1000, _covered(calls) * 1000, phases, dict(by_name))


def _covered(calls: list[tuple[str, float, float]]) -> float:
    """Seconds in which at least one call was under way."""
    total, until = 0.0, 0.0
    for _name, start, end in sorted(calls, key=lambda call: call[1]):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _print(made: list[Made]) -> None:
    print(row("POST to running", [each.total for each in made]))
    print(row("of it libvirt's calls", [each.libvirt for each in made]))
    print(row("Eve's and the agent's own", [each.total - each.libvirt for each in made]))
    print("Median by phase, as the operation shows it:")
    for phase in dict.fromkeys(phase for each in made for phase in each.phases):
        print(f"  {statistics.median(each.phases.get(phase, 0.0) for each in made):7.0f} ms  {phase}")
    print("Median by call of libvirt:")
    names = {name for each in made for name in each.calls}
    medians = {name: statistics.median(each.calls.get(name, 0.0) for each in made) for name in names}
    for name, milliseconds in sorted(medians.items(), key=lambda item: -item[1]):
        if milliseconds >= LIBVIRT_WORTH_TELLING_MS:
            print(f"  {milliseconds:7.0f} ms  {name}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10, help="how many (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eve-bench-") as folder, libvirt_sandbox() as sandbox:
        house = TimedHouse(Path(folder), libvirt_uri=sandbox.uri)
        try:
            house.set_up()
            house.start_eve()
            house.enrol()
            house.start_agent()
            token = house.token()
            image = image_upload(house, token)
            create(house, token, image, 0)
            _print([create(house, token, image, number) for number in range(1, options.count + 1)])
        finally:
            house.close()


if __name__ == "__main__":
    main()
