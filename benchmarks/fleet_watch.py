"""What it costs Eve to watch 100 hosts with 100 VMs each, sampled every 10 s: CPU of its one process.

    .venv/bin/python -m benchmarks.fleet_watch

The agents are the real ones, with made-up hypervisors, and share a few processes. Eve runs as ``make run`` starts it, on SQLite:
its process serves, watches, samples, writes the metrics down and lists every host anew each minute. It is set up and all hosts
are online, their domains adopted, before the clock starts. The aim is less than one core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.house import House, free_ports

from .relay.processes import cpu_seconds, memory_bytes, stop

SETTLE_SECONDS = 20
REGISTER = """
import json
from hypervisors.models import Hypervisor, Site
from hypervisors.services import enrolment_token_create, hypervisor_register
site = Site.objects.create(name="fleet")
lines = []
for port in %(ports)s:
    host = hypervisor_register(hypervisor=Hypervisor(name=f"host-{port}", site=site, address=f"127.0.0.1:{port}"))
    lines.append(f"{port} {enrolment_token_create(hypervisor=host)[0]}")
print(json.dumps(lines))
"""
ADOPT = """
import time
from accounts.models import Project
from vms.inventory import domain_to_vm
from vms.models import DiscoveredDomain, Vm
from vms.facts import domain_of
from django.utils import timezone
until = time.monotonic() + %(seconds)d
while DiscoveredDomain.objects.count() < %(guests)d:
    assert time.monotonic() < until, DiscoveredDomain.objects.count()
    time.sleep(0.5)
project, vms = Project.objects.first(), []
for found in DiscoveredDomain.objects.all():
    domain = domain_of(found.facts)
    vm = Vm(pk=found.uuid, project=project, hypervisor_id=found.hypervisor_id, vcpus=domain.vcpus, memory_bytes=domain.memory_bytes)
    domain_to_vm(vm, domain, timezone.now())
    vms.append(vm)
Vm.objects.bulk_create(vms, batch_size=1000)
print(len(vms))
"""
BLOCKS = """
from hypervisors.models import Hypervisor, MetricBlock
print(MetricBlock.objects.count(), Hypervisor.objects.filter(state="online").count())
"""


@contextmanager
def agents(house: House, *, hosts: int, guests: int, processes: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Enrolled and serving, in so many processes."""
    lines = json.loads(house.shell(REGISTER % {"ports": free_ports(hosts)}).strip().splitlines()[-1])
    folder = house.folder / "hosts"
    folder.mkdir()
    with ExitStack() as stack:
        started = []
        for number in range(processes):
            command = [sys.executable, "-m", "benchmarks.machines.hosts", house.url, str(folder), str(guests)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(stop, process)
            assert process.stdin is not None
            process.stdin.write("\n".join(lines[number::processes]))
            process.stdin.close()
            started.append(process)
        for process in started:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise SystemExit("The agents did not start.")
        yield started


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--guests", type=int, default=100, help="of each host (%(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="that the agents share (%(default)s)")
    parser.add_argument("--seconds", type=int, default=90, help="how long to measure (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eve-bench-") as folder, ExitStack() as stack:
        house = House(Path(folder), settings={"EVE_LOG_LEVEL": "WARNING"})
        stack.callback(house.close)
        house.set_up()
        house.start_eve()
        assert house.eve is not None
        fleet = stack.enter_context(
            agents(house, hosts=options.hosts, guests=options.guests, processes=options.processes)
        )
        house.shell(ADOPT % {"seconds": 120, "guests": options.hosts * options.guests})
        print(f"{options.hosts} hosts are watched; measuring for {options.seconds} s", flush=True)
        time.sleep(SETTLE_SECONDS)
        eve, others = [house.eve.pid], [process.pid for process in fleet]
        stored = int(house.shell(BLOCKS).split()[-2])
        before, theirs, begun = cpu_seconds(eve), cpu_seconds(others), time.monotonic()
        time.sleep(options.seconds)
        seconds = time.monotonic() - begun
        used, agents_used = cpu_seconds(eve) - before, cpu_seconds(others) - theirs
        blocks, online = map(int, house.shell(BLOCKS).split()[-2:])
        print(f"Eve        {used / seconds:6.2f} cores   {memory_bytes(eve) / 2**20:.0f} MiB")
        print(f"all agents {agents_used / seconds:6.2f} cores")
        print(f"{online} hosts online; {blocks - stored} host minutes of metrics stored in {seconds:.0f} s")


if __name__ == "__main__":
    main()
