"""A host with 500 domains taken in anew: asked, compared with what is known, written down.

    .venv/bin/python -m benchmarks.resync

Eve on SQLite and an agent with a made-up hypervisor run in processes of their own, with mutual TLS in between; what is timed is
what Eve's watcher does each time. Either nothing has changed, or every VM has, or no domain was ever seen. The aim is 1 s for each.
"""

from __future__ import annotations

import argparse
import json

from .figures import row
from .relay.eve import MANY_GUESTS, running_eve
from .relay.processes import running_stub

AIM_MS = 1000
TIMED = """
import gc, json, time
from hypervisors.inventory import host_resync
from hypervisors.models import Hypervisor
from vms.models import DiscoveredDomain, Vm, VmState
host = Hypervisor.objects.get()
def nothing():
    pass
def every_vm():
    Vm.objects.update(state=VmState.UNKNOWN, facts={})
def never_seen():
    Vm.objects.all().delete()
    DiscoveredDomain.objects.all().delete()
def resync():
    begun = time.perf_counter()
    assert host_resync(hypervisor_id=host.pk, enrolled_at=host.enrolled_at)
    return (time.perf_counter() - begun) * 1000
resync()
gc.freeze()
found = {}
for change in (nothing, every_vm, never_seen):
    found[change.__name__] = []
    for _ in range(%(count)d):
        change()
        found[change.__name__].append(resync())
print(json.dumps(found))
"""
NAMES = {
    "nothing": "nothing has changed",
    "every_vm": "every VM has changed",
    "never_seen": "no domain was seen before",
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10, help="how often each (%(default)s)")
    options = parser.parse_args()
    with running_stub() as stub, running_eve(stub.console, guests=MANY_GUESTS) as eve:
        answer = eve.house.shell(TIMED % {"count": options.count})
    found = json.loads(answer.strip().splitlines()[-1])
    for name, times in found.items():
        print(row(f"{MANY_GUESTS} domains, {NAMES[name]}", times))
    late = [NAMES[name] for name, times in found.items() if max(times) > AIM_MS]
    print("All within the aim." if not late else f"Over {AIM_MS} ms at least once: {', '.join(late)}")


if __name__ == "__main__":
    main()
