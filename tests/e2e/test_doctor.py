"""The doctor's page, in a browser behind a real nginx: set up right, and wrong in one way after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.services.caddy import Caddy
from tests.services.libvirt import LibvirtSandbox
from tests.services.nginx import Nginx, write_certificate

from .conftest import PEOPLE, SCREENSHOTS, send_sign_in
from .house import PASSWORD, House, free_port
from .test_pages import LOOKS, WIDER

OLIVIA, OSCAR, VERA, HERA = "olivia@acme.example", "oscar@acme.example", "vera@acme.example", "hera@eve.example"
VM = "doctors-web"
HOPS = ("page", "socket", "bytes", "host", "vm", "screen", "quiet")
RIGHT = {
    "proxy_http_version": "1.1",
    "Host": "$http_host",
    "Upgrade": "$http_upgrade",
    "Connection": "$eve_connection",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Proto": "$scheme",
    "proxy_read_timeout": "75s",
}
MAP = "map $http_upgrade $eve_connection { default upgrade; '' ''; }"


@dataclass
class Front:
    """An Eve at an https address of nginx', which the test sets up."""

    house: House
    sandbox: LibvirtSandbox
    vm_id: str
    nginx: Nginx
    browser: Browser

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.nginx.port}"

    def set(self, **changes: str | None) -> None:
        """nginx as it should be, but for `changes` (dashes as underscores; None: without that line)."""
        wanted = {**RIGHT, **{name.replace("__", "-"): value for name, value in changes.items()}}
        lines = [
            f"{name} {value};" if name.startswith("proxy_") else f"proxy_set_header {name} {value};"
            for name, value in wanted.items()
            if value is not None
        ]
        self.use(
            "\n".join(
                [MAP, *server(self, f"location / {{ proxy_pass http://127.0.0.1:{self.house.port};", *lines, "}")]
            )
        )

    def use(self, inside: str) -> None:
        """nginx with that inside of ``http``."""
        self.nginx.start(inside)


def server(front: Front, *lines: str) -> list[str]:
    """A server of nginx' on this front's address."""
    folder = front.nginx.folder
    return [
        "server {",
        f"listen 127.0.0.1:{front.nginx.port} ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;",
        *lines,
        "}",
    ]


@pytest.fixture(scope="module")
def front(
    tmp_path_factory: pytest.TempPathFactory, libvirt_sandbox: LibvirtSandbox, browser: Browser
) -> Iterator[Front]:
    """Another Eve than the one without a proxy, with a guest of its own."""
    folder, port = tmp_path_factory.mktemp("front"), free_port()
    (folder / "nginx").mkdir()
    write_certificate(folder / "nginx" / "cert.pem", folder / "nginx" / "key.pem")
    settings = {"EVE_PUBLIC_URL": f"https://127.0.0.1:{port}", "EVE_TRUSTED_PROXIES": "127.0.0.1"}
    home = House(folder, libvirt_uri=libvirt_sandbox.uri, settings=settings)
    home.set_up()
    vm_id = libvirt_sandbox.start_demo(VM, wait=False)
    front = Front(home, libvirt_sandbox, vm_id, Nginx(folder / "nginx", port=port), browser)
    try:
        home.start_eve()
        front.set()
        home.enrol("hv1", "here", "--ca-file", str(folder / "nginx" / "cert.pem"), url=front.url)
        home.start_agent()
        people = json.loads(home.shell(PEOPLE % {"password": PASSWORD}).strip().splitlines()[-1])
        home.manage("vm_adopt", vm_id, "--project", people["acme"])
        yield front
    finally:
        home.close()
        front.nginx.close()
        libvirt_sandbox.virsh("destroy", vm_id)
        libvirt_sandbox.virsh("undefine", vm_id)


@pytest.fixture
def visit(front: Front) -> Iterator[Callable[..., Page]]:
    """``visit("olivia@acme.example")``: the doctor's page in a fresh browser, signed in while nginx was right."""
    contexts: list[BrowserContext] = []

    def doctor(email: str = OLIVIA, *, wrong: dict[str, str | None] | None = None, **options: Any) -> Page:
        front.set()
        context = front.browser.new_context(ignore_https_errors=True, **options)
        contexts.append(context)
        page = context.new_page()
        send_sign_in(page, front.house, email, url=front.url)
        front.set(**(wrong or {}))
        page.goto(f"{front.url}/vms/{front.vm_id}/doctor/")
        return page

    yield doctor
    front.set()
    for context in contexts:
        context.close()


def outcomes(page: Page, *hops: str, seconds: float = 30) -> dict[str, str | None]:
    """How those hops ended."""
    for hop in hops:
        expect(page.locator(f'[data-hop="{hop}"]')).to_have_attribute(
            "data-outcome", re.compile("ok|warn|bad"), timeout=seconds * 1000
        )
    return {hop: page.get_attribute(f'[data-hop="{hop}"]', "data-outcome") for hop in hops}


def codes(page: Page) -> list[str | None]:
    """What was found."""
    return [each.get_attribute("data-code") for each in page.locator(".finding").all()]


def over(page: Page, *, seconds: float = 60) -> None:
    """Waits until the verdict is there."""
    expect(page.locator("#doctor")).to_have_attribute("data-state", re.compile("over|quiet"), timeout=seconds * 1000)


def verdict(page: Page) -> str:
    return page.locator("#verdict").inner_text()


def marked(page: Page, example: str) -> list[str]:
    """The lines that the page says are wanting."""
    return [text.strip() for text in page.locator(f'[data-example="{example}"] [data-line].on').all_inner_texts()]


def test_all_is_well_behind_the_lines_that_the_page_prints(
    front: Front, visit: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    """Also on a connection without a word for longer than nginx' minute."""
    page = visit(HERA)
    printed = page.locator('[data-example="nginx"]').inner_text()
    assert f"server 127.0.0.1:{front.house.port};" in printed
    blocks, location = printed.split("location /", 1)
    front.use("\n".join([blocks, *server(front, f"location /{location}")]))
    page.reload()
    assert set(outcomes(page, *HOPS, seconds=120).values()) == {"ok"}
    assert codes(page) == []
    assert verdict(page) == "All is well: the console works from here."
    expect(page.locator('[data-hop="screen"] [data-detail]')).to_contain_text("RFB 003.008")
    expect(page.locator('[data-hop="bytes"] [data-detail]')).to_contain_text("32 KiB came back unchanged")
    expect(page.locator('[data-hop="host"] [data-steps] li')).to_have_count(6)
    expect(page.locator('[data-hop="host"] [data-steps]')).to_contain_text("takes connections on port")
    picture(page, "doctor-well")


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_all_is_well_behind_a_caddy_that_has_the_lines_that_the_page_prints(
    front: Front, tmp_path: Path, scheme: str
) -> None:
    proxy = Caddy(tmp_path, port=free_port())
    address, own = f"{scheme}://127.0.0.1:{proxy.port}", front.house.environment["EVE_PUBLIC_URL"]
    here = f"{{\nadmin off\nhttp_port {free_port()}\nskip_install_trust\ndefault_bind 127.0.0.1\n}}\n"
    context = front.browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    try:
        front.house.stop_eve()
        front.house.environment["EVE_PUBLIC_URL"] = address
        front.house.start_eve()
        proxy.start(f"{here}{address} {{\nreverse_proxy 127.0.0.1:{front.house.port}\n}}\n")
        send_sign_in(page, front.house, HERA, url=address)
        page.goto(f"{address}/vms/{front.vm_id}/doctor/")
        printed = page.locator('[data-example="caddy"] [data-line]').all_inner_texts()
        assert any(f"reverse_proxy 127.0.0.1:{front.house.port}" in line for line in printed)
        proxy.start(here + "\n".join(printed) + "\n")
        page.reload()
        over(page)
        assert set(outcomes(page, *HOPS, seconds=120).values()) == {"ok"}
        assert codes(page) == []
        assert "?" in proxy.log.read_text(), "the log that those lines ask for"
        assert "probe=" not in proxy.log.read_text(), "holds no query"
    finally:
        proxy.close()
        context.close()
        front.house.stop_eve()
        front.house.environment["EVE_PUBLIC_URL"] = own
        front.house.start_eve()


def test_without_upgrade(front: Front, visit: Callable[..., Page], picture: Callable[[Page, str], None]) -> None:
    page = visit(wrong={"proxy_http_version": "1.0", "Upgrade": None, "Connection": None})
    over(page)
    assert outcomes(page, "page", "socket", "host", "vm") == {"page": "ok", "socket": "bad", "host": "ok", "vm": "ok"}
    assert codes(page) == ["upgrade_missing"]
    assert "HTTP/1.0: the header Upgrade is missing" in page.locator(".finding").inner_text()
    assert verdict(page) == "It breaks at “A websocket opens”."
    assert "proxy_set_header Upgrade $http_upgrade;" in marked(page, "nginx")
    expect(page.locator('[data-hop="screen"]')).to_have_attribute("data-outcome", "wait")
    picture(page, "doctor-upgrade")
    front.set()
    page.click("#again")
    assert set(outcomes(page, *HOPS[:6]).values()) == {"ok"}
    assert codes(page) == []


def test_upgrade_without_connection(visit: Callable[..., Page]) -> None:
    page = visit(wrong={"Connection": '""'})
    over(page)
    assert codes(page) == ["upgrade_missing"]
    assert "the header Connection says" in page.locator(".finding").inner_text()


def test_a_proxy_that_keeps_websockets_to_itself(front: Front, visit: Callable[..., Page]) -> None:
    page = visit()
    over(page)
    lines = f"location / {{ proxy_pass http://127.0.0.1:{front.house.port}; proxy_set_header Host $http_host; "
    lines += "proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-For $remote_addr; }"
    front.use("\n".join(server(front, lines, "location /ws/ { return 403; }")))
    page.reload()
    over(page)
    assert codes(page) == ["never_arrived"]


def test_another_host_name(visit: Callable[..., Page]) -> None:
    page = visit(wrong={"Host": None})
    assert outcomes(page, *HOPS[:6]) == {hop: "warn" if hop == "page" else "ok" for hop in HOPS[:6]}
    assert codes(page) == ["host_changed"]
    assert any("Host" in line for line in marked(page, "nginx"))


def test_the_clients_address_is_missing(visit: Callable[..., Page]) -> None:
    page = visit(wrong={"X__Forwarded__For": None})
    assert outcomes(page, *HOPS[:6])["page"] == "warn"
    assert codes(page) == ["client_missing"]


def test_a_proxy_that_forgets_quiet_connections(
    visit: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    page = visit(wrong={"proxy_read_timeout": "5s"})
    assert set(outcomes(page, *HOPS[:6]).values()) == {"ok"}
    assert outcomes(page, "quiet") == {"quiet": "bad"}
    assert codes(page) == ["cut_short"]
    told = re.search(r"cut after ([\d.]+) s", page.locator(".finding").inner_text())
    assert told
    assert 4 < float(told[1]) < 10  # nginx counts from its own last word, the browser from when it heard one
    assert "quiet connection" in verdict(page)
    assert "proxy_read_timeout 75s;" in marked(page, "nginx")
    picture(page, "doctor-quiet")


def test_the_agent_is_away(front: Front, visit: Callable[..., Page], picture: Callable[[Page, str], None]) -> None:
    front.house.stop_agent()
    try:
        for email, why in ((OLIVIA, False), (HERA, True)):
            page = visit(email)
            over(page)
            assert outcomes(page, "page", "bytes", "host") == {"page": "ok", "bytes": "ok", "host": "bad"}
            assert codes(page) == ["host_away"]
            assert "hv1. What fails is: “The agent's port is open”." in page.locator(".finding").inner_text()
            assert ("systemctl status eve-agent" in page.locator('[data-hop="host"]').inner_text()) is why
            picture(page, f"doctor-agent-{'staff' if why else 'customer'}")
    finally:
        front.house.start_agent()


def test_a_machine_that_is_off(front: Front, visit: Callable[..., Page]) -> None:
    front.sandbox.virsh("destroy", front.vm_id)
    try:
        page = visit(VERA)
        over(page)
        assert outcomes(page, "host", "vm") == {"host": "ok", "vm": "bad"}
        assert codes(page) == ["vm_off"]
        expect(page.locator('[data-hop="screen"]')).to_have_attribute("data-outcome", "wait")
    finally:
        front.sandbox.virsh("start", front.vm_id)


def test_at_an_address_that_is_not_eves(front: Front, visit: Callable[..., Page]) -> None:
    page = visit()
    elsewhere = front.url.replace("127.0.0.1", "localhost")
    page.goto(f"{elsewhere}/login/")
    page.fill("input[name=email]", OLIVIA)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url(f"{elsewhere}/")
    page.goto(f"{elsewhere}/vms/{front.vm_id}/doctor/")
    over(page)
    assert codes(page) == ["origin_unknown", "origin_refused"]
    assert f"Open {front.url}." in page.locator(".finding").first.inner_text()


def test_https_that_eve_is_not_told_of(front: Front, visit: Callable[..., Page], picture: Callable[..., None]) -> None:
    """No page gets through, so Eve says it in place of any; in a browser that was signed in and in one that was not."""
    signed_in = visit(wrong={"X__Forwarded__Proto": None, "Host": None})
    stranger = front.browser.new_context(ignore_https_errors=True).new_page()
    stranger.goto(f"{front.url}/login/")
    for page in (signed_in, stranger):
        expect(page.locator("h1")).to_have_text("Something before Eve is set up wrongly")
        expect(page.locator("main")).to_contain_text("proxy_set_header X-Forwarded-Proto $scheme;")
    picture(signed_in, "proxy-circles")
    front.set()
    stranger.locator("main button").click()
    expect(stranger.locator("input[name=email]")).to_be_visible()
    stranger.context.close()


def test_a_proxy_that_eve_does_not_trust(front: Front, visit: Callable[..., Page]) -> None:
    page = visit()
    trusted = front.house.environment["EVE_TRUSTED_PROXIES"]
    front.house.stop_eve()
    front.house.environment["EVE_TRUSTED_PROXIES"] = "192.0.2.1"
    front.house.start_eve()
    try:
        page.reload()
        expect(page.locator("main")).to_contain_text("add the proxy's address to EVE_TRUSTED_PROXIES")
        assert '"peer": "127.0.0.1"' in front.house.logs()
    finally:
        front.house.stop_eve()
        front.house.environment["EVE_TRUSTED_PROXIES"] = trusted
        front.house.start_eve()


@pytest.mark.parametrize("look", LOOKS)
def test_it_looks_right_while_something_is_broken(
    visit: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
    look: str,
) -> None:
    faults: list[str] = []
    page = visit(HERA, wrong={"Upgrade": None, "Host": None}, **LOOKS[look])
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    over(page)
    assert page.evaluate(WIDER) <= 0
    page.screenshot(path=SCREENSHOTS / f"doctor-broken-{look}.png", full_page=True)
    assert [fault for fault in faults if "WebSocket" not in fault] == []
    assert accessibility_faults(page) == []
