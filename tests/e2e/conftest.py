"""One Eve, one agent, one libvirtd and one guest for all end-to-end tests, and browsers for everybody in the cast."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.services.mail import Mails, mail_server

from .house import PASSWORD, House, house

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.services.libvirt import LibvirtSandbox

expect.set_options(timeout=20_000)
"""Where no test says how soon: what a busy machine may take."""
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}
LONGEST = "test_cloud.py"
CSRF_COOKIE = "eve-csrf"
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
AXE_RUN = """
async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .filter((found) => ["serious", "critical"].includes(found.impact))
    .map((found) => `${found.id}: ${found.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`)
"""
PEOPLE = """
import json
from accounts.models import Membership, Project, Role, User
from accounts.services import password_set, user_create
from hypervisors.models import Site
password = %(password)r
def person(email, name, **fields):
    user = user_create(email=email, name=name, **fields)
    password_set(user=user, password=password, by=None)
    return user
olivia = person("olivia@acme.example", "Olivia Owner")
oscar = person("oscar@acme.example", "Oscar Operator")
vera = person("vera@acme.example", "Vera Viewer")
otto = person("otto@otto.example", "Otto Outsider")
theo = person("theo@eve.example", "Theo There", is_staff=True, is_site_limited=True)
hera = person("hera@eve.example", "Hera Here", is_staff=True, is_site_limited=True)
acme = Project.objects.create(name="Acme")
for user, role in ((olivia, Role.OWNER), (oscar, Role.OPERATOR), (vera, Role.VIEWER)):
    Membership.objects.create(project=acme, user=user, role=role)
Site.objects.create(name="there").staff.add(theo)
Site.objects.get(name="here").staff.add(hera)
print(json.dumps({"acme": str(acme.pk)}))
"""


@dataclass
class World:
    """Eve, its agent, libvirt, and a guest that belongs to project Acme."""

    house: House
    sandbox: LibvirtSandbox
    mails: Mails
    vm_id: str
    vm_name: str
    acme: str

    @property
    def vm_url(self) -> str:
        """The VM's page."""
        return f"{self.house.url}/vms/{self.vm_id}/"

    @property
    def console_url(self) -> str:
        """The console's page."""
        return f"{self.vm_url}console/"

    def guest_wrote(self, text: str, *, seconds: float = 30) -> None:
        """Waits until the guest's serial log has `text`."""
        self.sandbox.wait_for_serial(self.vm_name, text, seconds=seconds)

    def guest_wrote_since(self, mark: str, text: str, *, seconds: float = 30) -> None:
        """Waits until the guest's serial log has `text` after the last `mark`."""
        deadline = time.monotonic() + seconds
        while text not in (since := self.sandbox.serial_text(self.vm_name).rpartition(mark)[2]):
            assert time.monotonic() < deadline, since[-500:]
            time.sleep(0.1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file is begun first, so that nobody waits for it in the end."""
    items.sort(key=lambda item: item.path.name != LONGEST)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, libvirt_sandbox: LibvirtSandbox) -> Iterator[World]:
    """Everything, running."""
    name = "acme-web"
    vm_id = libvirt_sandbox.start_demo(name, wait=False)
    with (
        mail_server() as mails,
        house(
            tmp_path_factory.mktemp("house"),
            libvirt_uri=libvirt_sandbox.uri,
            settings={
                "EVE_EMAIL_URL": f"smtp://127.0.0.1:{mails.port}",
                "EVE_RESYNC_SECONDS": "20",
                "EVE_NOTIFY_LOOK_SECONDS": "2",
            },
        ) as home,
    ):
        people = json.loads(home.shell(PEOPLE % {"password": PASSWORD}).strip().splitlines()[-1])
        home.manage("vm_adopt", vm_id, "--project", people["acme"])
        libvirt_sandbox.wait_for_serial(name, ":~#")
        yield World(house=home, sandbox=libvirt_sandbox, mails=mails, vm_id=vm_id, vm_name=name, acme=people["acme"])


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever became of a test, the next one finds everything at work, and the processors free of guests that nobody looks at."""
    if "libvirt_sandbox" not in request.fixturenames:
        yield
        return
    sandbox: LibvirtSandbox = request.getfixturevalue("libvirt_sandbox")
    before = sandbox.running()
    yield
    sandbox.mend()
    if "world" in request.fixturenames:
        request.getfixturevalue("world").house.mend()
    for name in sandbox.running() - before:
        sandbox.virsh("destroy", name)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's Chromium without the windows around its pages, each of which would take as long as ten pages; nothing is fetched from elsewhere."""
    return {
        "executable_path": "/usr/bin/chromium-headless-shell",
        "headless": True,
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    }


@pytest.fixture
def browse(browser: Browser, world: World) -> Iterator[Callable[..., Page]]:
    """``browse("olivia@acme.example")``: a page of a fresh browser in which she is signed in."""
    contexts: list[BrowserContext] = []

    def signed_in(email: str, **options: Any) -> Page:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        send_sign_in(page, world.house, email)
        return page

    yield signed_in
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def made_up_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Eve with an agent of a made-up hypervisor of three guests: ready sooner than `world`, for what needs no real guest."""
    with house(tmp_path_factory.mktemp("made-up"), fake_console="tcp:127.0.0.1:1") as home:
        yield home


@pytest.fixture
def open_as(browser: Browser, made_up_home: House) -> Iterator[Callable[..., Page]]:
    """``open_as(ADMIN, "phone")``: a page of a fresh browser in which somebody is signed in at `made_up_home`."""
    contexts: list[BrowserContext] = []

    def signed_in(email: str, look: str = "light", **options: Any) -> Page:
        contexts.append(browser.new_context(**LOOKS[look], **options))
        page = contexts[-1].new_page()
        send_sign_in(page, made_up_home, email)
        return page

    yield signed_in
    for context in contexts:
        context.close()


def send_sign_in(page: Page, home: House, email: str, *, url: str = "") -> None:
    """Signs somebody in without drawing the form, and opens their first page; at `url`, if Eve is behind a proxy."""
    url = url or home.url
    form_url, request = f"{url}/login/", page.context.request
    request.get(form_url)
    token = next(each["value"] for each in page.context.cookies(url) if each["name"].endswith(CSRF_COOKIE))
    form = {"email": email, "password": PASSWORD, "csrfmiddlewaretoken": token}
    answer = request.post(form_url, form=form, headers={"Referer": form_url}, max_redirects=0)
    assert answer.headers.get("location") == "/", answer.text()
    page.goto(f"{url}/")


def open_live(page: Page, url: str) -> None:
    """Opens a page, and waits until it listens."""
    page.goto(url)
    expect(page.locator("#live")).to_have_attribute("data-open", "")


def type_sign_in(page: Page, home: House, email: str) -> None:
    """Signs somebody in, as people do."""
    page.goto(f"{home.url}/login/")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url(f"{home.url}/")


@pytest.fixture
def accessibility_faults() -> Callable[[Page], list[str]]:
    """``accessibility_faults(page)``: what axe-core finds serious or critical, a line each."""
    script = AXE.read_text()

    def find(page: Page) -> list[str]:
        page.evaluate(script)  # by the debugger, which the page's policy does not bind
        return list(page.evaluate(AXE_RUN))

    return find


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """``picture(page, "console-light")``: keeps a screenshot to be looked at, of the page as it is once nothing fades or slides any more."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")

    return take
