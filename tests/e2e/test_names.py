"""Names of every kind on every page: 80 letters without a break, from right to left, emoji that are joined. No page grows wider than a phone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .house import ADMIN, PASSWORD, House
from .test_pages import PAGES, WIDER

LONG = "w" * 40 + "b" * 40
NAMES = {"long": LONG, "right-to-left": "שרת-7 (בדיקה) / خادم", "emoji": "👩🏽‍💻 शुभ 🏳️‍🌈 دستگاه‌ها"}
OWNER = "olivia@acme.example"
BAPTISE = """
import datetime as dt, json
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
    SshKey.objects.create(user=owner, name=name, line="ssh-ed25519 " + kind, fingerprint="SHA256:" + kind)
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
    made[kind] = {"vm": str(vm.pk), "acme": str(project.pk), "image": str(image.pk), "webhook": str(hook.pk), "snapshot": name}
Vm.objects.update(state_since=timezone.now() - dt.timedelta(minutes=59))  # "59 minutes ago" is as wide as it gets
print(json.dumps({"made": made, "host": str(host.pk), "size": str(Size.objects.order_by("-name").first().pk), "user": str(owner.pk)}))
"""
MORE = {
    "links-of-projects": (OWNER, "/projects/{acme}/webhooks/"),
    "webhook": (OWNER, "/webhooks/{webhook}/"),
    "notifications": (OWNER, "/notifications/"),
    "choices": (OWNER, "/notifications/choices/"),
    "token-new": (OWNER, "/profile/tokens/new/"),
    "two-factor": (OWNER, "/profile/two-factor/"),
    "manage-user": (ADMIN, "/manage/users/{user}/"),
    "manage-enrolment": (ADMIN, "/manage/hypervisors/{host}/enrolment/"),
    "manage-test": (ADMIN, "/manage/hypervisors/{host}/test/"),
}
OF_DJANGO = "/admin/"


@pytest.fixture(scope="module")
def named(made_up_home: House) -> dict[str, Any]:
    """Everything that can have a name has one of these, and where it is."""
    code = BAPTISE % {"names": json.dumps(NAMES), "owner": OWNER, "password": PASSWORD}
    return json.loads(made_up_home.shell(code).strip().splitlines()[-1])


def pages_of(email: str) -> dict[str, str]:
    """Eve's own pages that are somebody's, by name."""
    everything = {**PAGES, **MORE}
    mine = {name: path for name, (whose, path) in everything.items() if (whose == ADMIN) == (email == ADMIN)}
    return {name: path for name, path in mine.items() if not path.startswith(OF_DJANGO)}


@pytest.mark.timeout(600)  # forty pages and their pictures
@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("look", ["phone", "light"])
def test_no_name_makes_a_page_wider(
    made_up_home: House,
    named: dict[str, Any],
    open_as: Callable[..., Page],
    picture: Callable[[Page, str], None],
    kind: str,
    look: str,
) -> None:
    ids = {**named["made"][kind], "host": named["host"], "size": named["size"], "user": named["user"]}
    wide = []
    for email in (OWNER, ADMIN):
        page = open_as(email, look)
        for name, path in pages_of(email).items():
            answer = page.goto(made_up_home.url + path.format(**ids))
            assert answer is not None
            assert answer.status == 200, name
            if (more := page.evaluate(WIDER)) > 0:
                wide.append(f"{name}: {more} px")
            picture(page, f"names-{kind}-{name}-{look}")
    assert "\n".join(wide) == ""


def test_what_asks_first_names_the_thing_as_it_is(
    made_up_home: House, named: dict[str, Any], open_as: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    """To confirm, its name is typed: without the marks that isolate it in the question."""
    kind = "right-to-left"
    page = open_as(OWNER)
    page.goto(f"{made_up_home.url}/vms/{named['made'][kind]['vm']}/settings/")
    page.get_by_role("button", name="Delete…").click()
    expect(page.locator("#confirm h2")).to_have_text(f"Delete \u2068{NAMES[kind]}\u2069?")
    picture(page, "names-confirm-light")
    assert page.evaluate(WIDER) <= 0
    page.fill("#confirm-name", NAMES[kind])
    expect(page.locator("#confirm [data-yes]")).to_be_enabled()
