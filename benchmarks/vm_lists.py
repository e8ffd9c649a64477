"""What a page of VMs costs the server where there are 10,000: pages and the API's lists, plain, searched, narrowed and sorted; and the search through everything.

    .venv/bin/python -m benchmarks.vm_lists                          # SQLite
    .venv/bin/python -m benchmarks.vm_lists --database postgres      # a server of its own

Eve's own code answers in this process, on a throw-away database: middleware, session or token, queries, templates; no network.
The aim is 100 ms for each.
"""

from __future__ import annotations

import argparse
import gc
import time
from typing import TYPE_CHECKING

from .figures import row
from .machines.scratch import DATABASES, scratch_eve

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User

    from .machines.fleet import Fleet

HOST = "127.0.0.1"
AIM_MS = 100


def addresses(fleet: Fleet) -> list[str]:
    """What is asked for."""
    project, hypervisor = fleet.project.pk, fleet.hypervisor.pk
    api = "/api/v1/vms?page_size=50"
    return [
        "/",
        "/vms/",
        "/vms/?page=100",
        "/vms/?q=vm-042",
        "/vms/?state=trouble",
        "/vms/?sort=name",
        "/vms/?sort=recent",
        f"/vms/?project={project}&q=hv-0&sort=recent",
        "/search/?q=vm-042",
        "/search/?q=vm&part=1",
        "/manage/",
        "/manage/vms/",
        "/manage/vms/?q=vm-042&sort=name",
        f"/manage/hypervisors/{hypervisor}/",
        api,
        f"{api}&ordering=-state_since",
        f"{api}&search=vm-042",
        f"{api}&search=no-such-vm",
        f"{api}&state=crashed&state=unknown",
        f"{api}&project={project}&ordering=-created_at",
        f"{api}&hypervisor={hypervisor}",
    ]


def clients(fleet: Fleet, address: str) -> dict[str, Client]:
    """Who asks for it, with a session or a login token."""
    from django.test import Client  # noqa: PLC0415

    from accounts.services import token_create  # noqa: PLC0415

    people = {"customer": fleet.customer, "staff": fleet.staff}
    if address.startswith("/api/"):
        tokens = {name: token_create(user=user, name="benchmark")[0] for name, user in people.items()}
        return {
            name: Client(headers={"Host": HOST, "Authorization": f"Bearer {token}"}) for name, token in tokens.items()
        }
    if address.startswith("/search/"):
        return {name: _browser(user) for name, user in people.items()}
    name = "staff" if address.startswith("/manage/") else "customer"
    return {name: _browser(people[name])}


def _browser(user: User) -> Client:
    from django.test import Client  # noqa: PLC0415

    browser = Client(headers={"Host": HOST})
    browser.force_login(user)
    return browser


def measure(client: Client, address: str, count: int) -> list[float]:
    """Milliseconds of each answer, the first two left out."""
    times = []
    for _ in range(count + 2):
        begun = time.perf_counter()
        answer = client.get(address)
        times.append((time.perf_counter() - begun) * 1000)
        if answer.status_code != 200:
            raise SystemExit(f"{address} was answered with {answer.status_code}")
    return times[2:]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=DATABASES, default="sqlite", help="(%(default)s)")
    parser.add_argument("--hosts", type=int, default=100, help="with 100 VMs each (%(default)s)")
    parser.add_argument("--count", type=int, default=20, help="how often each (%(default)s)")
    options = parser.parse_args()
    with scratch_eve(options.database):
        from eve_site.preload import preload  # noqa: PLC0415  (the same)

        from .machines.fleet import fleet_make  # noqa: PLC0415  (models want Django to be set up)

        fleet = fleet_make(hosts=options.hosts, vms_each=100, projects=10)
        preload()
        gc.collect()
        gc.freeze()  # as the server has done by the end of its first second
        late = []
        for address in addresses(fleet):
            for name, client in clients(fleet, address).items():
                times = measure(client, address, options.count)
                words = f"{name} {address.replace(str(fleet.project.pk), 'ID').replace(str(fleet.hypervisor.pk), 'ID')}"
                print(row(words, times), flush=True)
                if max(times) > AIM_MS:
                    late.append(words)
    print("All within the aim." if not late else f"Over {AIM_MS} ms at least once: {', '.join(late)}")


if __name__ == "__main__":
    main()
