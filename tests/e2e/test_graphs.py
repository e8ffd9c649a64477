"""Graphs of a real guest and its host: drawn, live, as a table, and in words where there is nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import World
from .house import ADMIN
from .test_pages import LOOKS

SAMPLED_MS = 40_000
"""Four samples: the first after its start has no rates yet."""
PAINTED = """
() => [...document.querySelectorAll("#graphs canvas")].map((canvas) => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return data.some((value, index) => index % 4 === 3 && value > 0);
})
"""


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
