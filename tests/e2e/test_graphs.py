"""Graphs of a real guest and its host: drawn, live, as a table, and in words where there is nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import World
from .house import ADMIN, House
from .test_pages import LOOKS, WIDER

SAMPLED_MS = 40_000
"""Four samples: the first after its start has no rates yet."""
PAINTED = """
() => [...document.querySelectorAll("#graphs canvas")].map((canvas) => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return data.some((value, index) => index % 4 === 3 && value > 0);
})
"""

HISTORY = """
import datetime as dt, math
from django.db import transaction
from django.utils import timezone
from accounts.models import User
from hypervisors.metrics.blocks import pack
from hypervisors.metrics.recorder import SAMPLES, Block
from hypervisors.metrics.store import block_store
from hypervisors.models import MetricBlock
from vms.models import DiscoveredDomain
from vms.services import vm_adopt
found = DiscoveredDomain.objects.order_by("name").first()
vm = vm_adopt(discovered=found, project=User.objects.get().personal_project, user=None)
day, MIB = dt.timedelta(days=1), 2**20
def series(time, samples):
    wave = 1 + math.sin(time / day * math.tau)
    rates = (2 * MIB * wave, MIB * (3 - wave), 400_000 * wave, 150_000 * (2.5 - wave))
    sample = (0.1 + 0.4 * wave, (200 + 100 * wave) * MIB, *rates)
    return {key: [sample] * samples for key in (vm.pk, vm.hypervisor_id)}
now = timezone.now().replace(second=0, microsecond=0)
began = now.replace(minute=now.minute // 15 * 15) - 30 * day
MetricBlock.objects.bulk_create(
    MetricBlock(hypervisor_id=vm.hypervisor_id, is_coarse=True, began_at=began + time, payload=pack(series(time, 1)))
    for time in (number * dt.timedelta(minutes=15) for number in range(29 * 96))
)
with transaction.atomic():
    for time in (number * dt.timedelta(minutes=5) for number in range(1, 288)):
        block = Block(now - day + time, series(time, SAMPLES))
        block_store(hypervisor_id=vm.hypervisor_id, block=block)
print(vm.pk, vm.hypervisor_id)
"""
STRIPS = """
() => [...document.querySelectorAll("#graphs canvas")].flatMap((canvas) => ["first", "second"].map((name) => {
    const wanted = getComputedStyle(document.querySelector(`[data-colour="${name}"]`)).color.match(/[0-9.]+/g).map(Number);
    const scale = canvas.width / canvas.clientWidth, left = 80 * scale, width = canvas.width - left - 36 * scale;
    return Array.from({length: 20}, (_, strip) => {
        const {data} = canvas.getContext("2d").getImageData(left + width * strip / 20, 0, width / 20, canvas.height);
        for (let at = 0; at < data.length; at += 4)
            if (data[at + 3] > 150 && [0, 1, 2].every((part) => Math.abs(data[at + part] - wanted[part]) < 40)) return true;
        return false;
    });
}))
"""
"""In which of twenty strips of each plot its first line is to be seen, and its second."""


@pytest.fixture(scope="module")
def history(made_up_home: House) -> dict[str, str]:
    """Pages with graphs of a machine and a host that were measured for 30 days."""
    vm_id, host_id = made_up_home.shell(HISTORY).strip().splitlines()[-1].split()
    return {"vm": f"/vms/{vm_id}/", "host": f"/manage/hypervisors/{host_id}/"}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("whose", ["vm", "host"])
def test_a_day_and_a_month_are_drawn_from_end_to_end(
    made_up_home: House,
    open_as: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
    history: dict[str, str],
    whose: str,
    look: str,
) -> None:
    page = open_as(ADMIN, look)
    page.goto(f"{made_up_home.url}{history[whose]}")
    graphs = page.locator("#graphs")
    for name, label in (("24h", "24 hours"), ("30d", "30 days")):
        graphs.get_by_role("button", name=label).click()
        expect(graphs).to_have_attribute("data-drawn", name)
        graphs.scroll_into_view_if_needed()
        cpu, _none, memory, _none, *rates = page.evaluate(STRIPS)
        for strips in (cpu, memory, *rates):
            assert strips == [True] * 20, (name, strips)
        assert page.evaluate(WIDER) <= 0
        picture(page, f"{whose}-graphs-{name}-{look}")
    assert accessibility_faults(page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_a_machines_graphs(
    world: World,
    browse: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
    look: str,
) -> None:
    faults: list[str] = []
    sockets: list[str] = []
    page = browse("vera@acme.example", **LOOKS[look])
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto("about:blank")
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(world.vm_url)
    graphs = page.locator("#graphs")
    expect(graphs).to_have_attribute("data-drawn", "1h", timeout=SAMPLED_MS)
    expect(graphs).to_have_attribute("data-live", re.compile(r"\d"), timeout=SAMPLED_MS)
    first = graphs.get_attribute("data-live") or ""
    expect(graphs).not_to_have_attribute("data-live", first, timeout=SAMPLED_MS)
    expect(graphs.locator('[data-graph="cpu"] [data-now]')).to_contain_text("busy", timeout=SAMPLED_MS)
    expect(graphs.locator('[data-graph="memory"] [data-now]')).to_contain_text("iB in use")
    assert page.evaluate(PAINTED) == [True] * 4
    assert len(sockets) == 1  # of this page; the dashboard before it had its own
    graphs.get_by_text("The figures as a table").click()
    expect(graphs.locator(".figures tbody tr")).to_have_count(12)
    expect(graphs.locator(".figures tbody tr").first.locator("td").first).to_contain_text("%")
    graphs.scroll_into_view_if_needed()
    picture(page, f"vm-graphs-{look}")
    for name, label in (("24h", "24 hours"), ("30d", "30 days")):
        graphs.get_by_role("button", name=label).click()
        expect(graphs).to_have_attribute("data-drawn", name)
    # Empty until the first quarter of an hour has ended.
    expect(graphs.locator('[data-graph="cpu"] :is([data-none], canvas):visible').first).to_be_visible()
    assert faults == []
    assert accessibility_faults(page) == []


def test_a_hosts_graphs_and_none_where_the_figures_do_not_come(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    host = world.house.api("GET", "/hypervisors", token=world.house.token()).json()["results"][0]["id"]
    page = browse(ADMIN, **LOOKS["light"])
    page.goto(f"{world.house.url}/manage/hypervisors/{host}/")
    expect(page.locator('#graphs [data-graph="cpu"] [data-now]')).to_contain_text("busy", timeout=SAMPLED_MS * 2)
    picture(page, "host-graphs-light")
    page.route("**/metrics?range=*", lambda route: route.abort())
    page.reload()
    expect(page.locator("#graphs [data-status]")).to_contain_text("could not be fetched")
    expect(page.locator("#graphs [data-all]")).to_be_hidden()
    page.unroute("**/metrics?range=*")
    expect(page.locator("#graphs canvas").first).to_be_visible(timeout=30_000)


def test_a_range_that_could_not_be_fetched_is_there_when_it_can_be(world: World, browse: Callable[..., Page]) -> None:
    page = browse("vera@acme.example")
    page.goto(world.vm_url)
    graphs, status = page.locator("#graphs"), page.locator("#graphs [data-status]")
    expect(graphs).to_have_attribute("data-live", re.compile(r"\d"), timeout=SAMPLED_MS)
    graphs.get_by_role("button", name="24 hours").click()
    expect(graphs).to_have_attribute("data-drawn", "24h")
    page.route("**/metrics?range=*", lambda route: route.abort())
    graphs.get_by_role("button", name="1 hour").click()
    expect(status).to_contain_text("could not be fetched")
    expect(graphs).to_have_attribute("data-drawn", "24h")
    before = graphs.get_attribute("data-live") or ""
    page.evaluate("new Promise((heard) => document.addEventListener('eve:samples', heard, {once: true}))")
    expect(graphs).to_have_attribute("data-live", before)  # a sample of now does not belong on the day's graph
    page.unroute("**/metrics?range=*")
    graphs.get_by_role("button", name="30 days").click()
    expect(graphs).to_have_attribute("data-drawn", "30d")
    expect(status).to_be_hidden()
    graphs.get_by_role("button", name="1 hour").click()
    expect(graphs).to_have_attribute("data-drawn", "1h")
    expect(graphs).not_to_have_attribute("data-live", before, timeout=SAMPLED_MS)
