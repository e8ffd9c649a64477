"""Names of every kind on every page: 80 letters without a break, from right to left, emoji that are joined. No page grows wider than a phone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.addresses import Route, page_routes

from .conftest import LOOKS
from .every_page import whole_pages
from .house import ADMIN, PASSWORD, House
from .test_pages import WIDER

LONG = "w" * 40 + "b" * 40
NAMES = {"long": LONG, "right-to-left": "שרת-7 (בדיקה) / خادم", "emoji": "👩🏽‍💻 शुभ 🏳️‍🌈 دستگاه‌ها"}
OWNER = "olivia@acme.example"
BAPTISE = """
import datetime as dt, io, json
from PIL import Image as Picture
from django.apps import apps
from django.utils import timezone
from accounts.audit import audit_record
from accounts.models import Invitation, Membership, Project, Role, SshKey, User
from accounts.services import password_set, token_create, user_create
from consoles.models import ConsoleSession, GuestLink, Screenshot, ScreenshotKind
from hypervisors.models import Hypervisor, Site
from notifications.models import Delivery, Event, Kind, Notice, Webhook
from operations.models import Operation
from vms.models import DiscoveredDomain, Disk, Image, Nic, Size, Snapshot, Vm
from vms.services import vm_adopt
names = json.loads(%(names)r)
tomorrow = timezone.now() + dt.timedelta(days=1)
owner = user_create(email=%(owner)r, name=names["long"])
password_set(user=owner, password=%(password)r, by=None)
User.objects.exclude(pk=owner.pk).update(name=names["right-to-left"], remarks=names["long"])
host = Hypervisor.objects.get()
Picture.new("RGB", (640, 400)).save(screen := io.BytesIO(), "PNG")
png = screen.getvalue()
Site.objects.update(name=names["right-to-left"], remarks=names["long"])
found = list(DiscoveredDomain.objects.order_by("name"))
made = {}
for domain, (kind, name) in zip(found, names.items()):
    project = Project.objects.create(name=name)
    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    Membership.objects.create(project=project, user=User.objects.exclude(pk=owner.pk).first(), role=Role.VIEWER)
    vm = vm_adopt(discovered=domain, project=project, user=None)
    Vm.objects.filter(pk=vm.pk).update(name=name, remarks=name, is_made_by_eve=True)
    vm = Vm.objects.get(pk=vm.pk)
    image = Image.objects.create(name=name, site=host.site, project=project, remarks=name, size_bytes=2**20, virtual_bytes=2**20)
    Disk.objects.create(project=project, vm=vm, hypervisor=host, pool="default", size_bytes=2**30, image=image)
    Disk.objects.create(project=project, hypervisor=host, pool="default", size_bytes=2**30, kept_from=name, kept_since=timezone.now())
    Nic.objects.create(vm=vm, mac="52:54:00:00:00:0%%d" %% len(made), source=name)
    Snapshot.objects.create(vm=vm, name=name, vcpus=1, memory_bytes=1, created_by=owner)
    Size.objects.create(name=name[:50], vcpus=1, memory_bytes=2**30, disk_bytes=2**30)
    token_create(user=owner, name=name)
    SshKey.objects.create(user=owner, name=name, line="ssh-ed25519 " + kind, fingerprint=("SHA256:" + kind * 20)[:50])
    Invitation.objects.create(project=project, email="x" * 60 + "@new.example", role=Role.VIEWER, invited_by=owner, digest=kind, expires_at=tomorrow)
    GuestLink.objects.create(vm=vm, created_by=owner, label=name, digest=kind, expires_at=tomorrow)
    ConsoleSession.objects.create(vm=vm, vm_uuid=vm.pk, vm_name=name, user=owner, user_label=name)
    event = Event.objects.create(kind=Kind.VM_CRASHED, target_type="vm", target_id=vm.pk, target_label=name, project=project, spread_at=timezone.now())
    hook = Webhook.objects.create(project=project, made_by=owner, name=name, url="https://" + "h" * 60 + ".example/")
    Delivery.objects.create(event=event, webhook=hook, state="sent")
    Operation.objects.create(kind="vm.start", target_type="vm", target_id=vm.pk, target_label=name, project=project, requested_by=owner, state="failed", error={"title": name, "detail": name, "for_staff": name}, finished_at=timezone.now())
    audit_record(action="vm.start", actor=owner, target=vm, project=project)
    for user in User.objects.all():
        Notice.objects.create(event=event, user=user)
    shot = Screenshot.objects.create(vm=vm, project=project, kind=ScreenshotKind.MANUAL, taken_by=owner, width=640, height=400, size_bytes=len(png), png=png, thumbnail=png)
    made[kind] = {"vm_id": vm.pk, "project_id": project.pk, "image_id": image.pk, "webhook_id": hook.pk, "screenshot_id": shot.pk}
Vm.objects.update(state_since=timezone.now() - dt.timedelta(minutes=59))  # "59 minutes ago" is as wide as it gets
for ids in made.values():
    ids.update(hypervisor_id=host.pk, size_id=Size.objects.order_by("-name").first().pk, user_id=owner.pk, pool="default")
print(json.dumps(made, default=str))
"""

SEEN = """
from django.utils import timezone
from consoles.models import ConsoleSession
ConsoleSession.objects.update(seen_at=timezone.now(), ended_at=None)
"""


@pytest.fixture(scope="module")
def named(made_up_home: House) -> dict[str, dict[str, Any]]:
    """Everything that can have a name has one of these, and where it is."""
    code = BAPTISE % {"names": json.dumps(NAMES), "owner": OWNER, "password": PASSWORD}
    return dict(json.loads(made_up_home.shell(code).strip().splitlines()[-1]))


@pytest.fixture(scope="module")
def pages(made_up_home: House, named: dict[str, dict[str, Any]], browser: Browser) -> dict[str, tuple[str, Route]]:
    """Eve's own pages by name, and who opens each."""
    routes = [route for route in page_routes() if not route.text.startswith("/admin/")]
    found = whole_pages(browser, made_up_home, (OWNER, ADMIN), routes, named["long"])
    assert len(found) > 50, sorted(found)
    return found


@pytest.mark.timeout(600)  # eighty pages and their pictures
@pytest.mark.parametrize("kind", NAMES)
def test_no_name_makes_a_page_wider(
    made_up_home: House,
    named: dict[str, dict[str, Any]],
    pages: dict[str, tuple[str, Route]],
    open_as: Callable[..., Page],
    picture: Callable[[Page, str], None],
    kind: str,
) -> None:
    """On a phone, and on the same touch screen as wide as a desk's."""
    wide = []
    for email in (OWNER, ADMIN):
        page = open_as(email, "phone", reduced_motion="reduce")
        for name, (whose, route) in pages.items():
            if whose != email:
                continue
            page.set_viewport_size(LOOKS["phone"]["viewport"])
            answer = page.goto(made_up_home.url + route.path(named[kind]))
            assert answer is not None
            assert answer.status == 200, name
            picture(page, f"names-{kind}-{name}")
            for look in ("phone", "light"):
                page.set_viewport_size(LOOKS[look]["viewport"])
                if (more := page.evaluate(WIDER)) > 0:
                    wide.append(f"{name}, {look}: {more} px")
    assert "\n".join(wide) == ""


def test_fingerprints_keep_to_their_place(
    made_up_home: House, named: dict[str, dict[str, Any]], open_as: Callable[..., Page]
) -> None:
    page = open_as(OWNER, "phone")
    page.goto(f"{made_up_home.url}/profile/")
    beyond = "all => all.filter(each => each.getBoundingClientRect().right > each.closest('td').getBoundingClientRect().right)"
    assert page.locator("td code.cut").evaluate_all(f"all => ({beyond})(all).length") == 0


def test_what_asks_first_names_the_thing_as_it_is(
    made_up_home: House,
    named: dict[str, dict[str, Any]],
    open_as: Callable[..., Page],
    picture: Callable[[Page, str], None],
) -> None:
    """To confirm, its name is typed: without the marks that isolate it in the question."""
    kind = "right-to-left"
    page = open_as(OWNER)
    made_up_home.shell(SEEN)
    page.goto(f"{made_up_home.url}/vms/{named[kind]['vm_id']}/settings/")
    page.get_by_role("button", name="Delete…").click()
    expect(page.locator("#confirm h2")).to_have_text(f"Delete \u2068{NAMES[kind]}\u2069?")
    dialog = page.locator("#confirm")
    for words in ("1 disk goes: 1 GiB", "1 snapshot goes", f"{LONG} (you)", f"{NAMES[kind]}\u2069 stays."):
        expect(dialog).to_contain_text(words)
    picture(page, "names-confirm-light")
    assert page.evaluate(WIDER) <= 0
    page.fill("#confirm-name", NAMES[kind])
    expect(page.locator("#confirm [data-yes]")).to_be_enabled()


def test_a_name_that_is_too_long_is_refused_as_it_was_given(made_up_home: House, open_as: Callable[..., Page]) -> None:
    """None is cut: no machine gets a name that nobody chose."""
    page, name = open_as(ADMIN), "x" * 300
    page.goto(f"{made_up_home.url}/vms/new/")
    page.fill("#id_name", name)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("1 to 63 lower-case letters, digits and hyphens")).to_be_visible()
    expect(page.locator("#id_name")).to_have_value(name)
