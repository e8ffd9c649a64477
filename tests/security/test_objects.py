"""Every address of Eve, taken from its URLconf, as seen by those who have no business there.

A new address is swept by itself; a new kind of id in one has to be entered in :func:`ids_of`, or the sweep fails.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from eve_agent.wire.host import Cpu, HostFacts, HostPool

from accounts.models import (
    AuditEvent,
    Invitation,
    LoginSession,
    LoginToken,
    Membership,
    Passkey,
    Project,
    Role,
    SshKey,
    User,
)
from accounts.services import audit_record, token_create
from consoles.models import ConsoleSession, GuestLink, Screenshot, ScreenshotKind
from hypervisors.inventory import facts_as_plain
from hypervisors.models import Certificate, CertificateUsage, Hypervisor, Site
from notifications.models import Delivery, Event, Kind, Notice, Webhook
from operations.models import Operation
from tests.addresses import routes
from tests.cast import Cast
from vms.models import DiscoveredDomain, Disk, Image, Nic, OpenNetwork, Quota, Size, Snapshot, Vm

PREFIX = "canary"
STRANGERS = ("anonymous", "outsider", "staff_there")
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
OPEN_TO_ALL = {"api-login", "api-enrol", "healthz", "readyz", "metrics", "login", "logout", "password-reset", "guest"}
OPEN_TO_ALL |= {"login-second", "invitation", "password-set", "jsi18n", "api-schema", "api-docs"}
FACTS = HostFacts(
    host_name=f"{PREFIX}-fact",
    agent_version="0",
    contract_version=1,
    libvirt_version="9.0.0",
    hypervisor_version="7.2.0",
    cpu=Cpu("x86_64", "", 1, 1, 1, 1),
    memory_bytes=1,
    memory_free_bytes=1,
    pools=(HostPool(name=f"{PREFIX}-pool", kind="dir", is_active=True),),
    time=dt.datetime.now(dt.UTC),
)
SECOND_CLICKS = {"profile-token-end", "profile-ssh-key-remove", "passkey-remove", "profile-session-end"}
"""What tells somebody that there is nothing (any more) by sending them to where they came from."""
FILTERS = ("project", "vm", "target", "target_id", "hypervisor", "site", "search", "q")


@dataclass(frozen=True)
class Address:
    """One address."""

    name: str
    path: str
    has_id: bool

    @property
    def is_admin(self) -> bool:
        return self.path.startswith("/admin/")

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")


@pytest.fixture
def world(cast: Cast) -> Cast:
    """Whatever is Acme's, or at its site, has a name that can be told."""
    User.objects.filter(memberships__project=cast.acme).update(name=f"{PREFIX}-person")
    for user in (cast.owner, cast.operator, cast.viewer, cast.staff_here):
        User.objects.filter(pk=user.pk).update(email=f"{PREFIX}-{user.email}")
    Project.objects.filter(memberships__user__email__startswith=PREFIX).update(name=f"{PREFIX}-project")
    Site.objects.filter(pk=cast.here.pk).update(name=f"{PREFIX}-site", remarks=f"{PREFIX}-remarks")
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(
        name=f"{PREFIX}-host", address="canary.example:1", facts=facts_as_plain(FACTS), eve_pins=[]
    )
    Vm.objects.filter(pk=cast.acme_vm.pk).update(name=f"{PREFIX}-vm", remarks=f"{PREFIX}-remarks")
    for part in (cast.owner, cast.acme, cast.here, cast.hypervisor_here, cast.acme_vm):
        part.refresh_from_db()
    DiscoveredDomain.objects.create(hypervisor=cast.hypervisor_here, uuid=cast.ottos_vm.pk, name=f"{PREFIX}-found")
    Image.objects.create(name=f"{PREFIX}-image", site=cast.here, project=cast.acme, remarks=f"{PREFIX}-remarks")
    Operation.objects.create(
        kind="vm.start",
        target_type="vm",
        target_id=cast.acme_vm.pk,
        target_label=f"{PREFIX}-vm",
        project=cast.acme,
        requested_by=cast.owner,
    )
    audit_record(action="vm.start", actor=cast.owner, target=cast.acme_vm, project=cast.acme)
    ConsoleSession.objects.create(
        vm=cast.acme_vm, vm_uuid=cast.acme_vm.pk, vm_name=f"{PREFIX}-vm", user=cast.owner, user_label=cast.owner.email
    )
    GuestLink.objects.create(
        vm=cast.acme_vm,
        created_by=cast.owner,
        label=f"{PREFIX}-link",
        expires_at=timezone.now() + dt.timedelta(days=1),
    )
    token_create(user=cast.owner, name=f"{PREFIX}-token")
    Disk.objects.create(project=cast.acme, vm=cast.acme_vm, hypervisor=cast.hypervisor_here, pool=PREFIX, size_bytes=1)
    Nic.objects.create(vm=cast.acme_vm, mac="52:54:00:00:00:01", source=f"{PREFIX}-network")
    OpenNetwork.objects.create(site=cast.here, kind="network", name=f"{PREFIX}-network")
    Snapshot.objects.create(vm=cast.acme_vm, name=f"{PREFIX}-snapshot", vcpus=1, memory_bytes=1)
    Screenshot.objects.create(
        vm=cast.acme_vm,
        project=cast.acme,
        kind=ScreenshotKind.MANUAL,
        taken_by=cast.owner,
        width=1,
        height=1,
        size_bytes=1,
        png=f"{PREFIX}-png".encode(),
        thumbnail=f"{PREFIX}-png".encode(),
    )
    Invitation.objects.create(
        project=cast.acme,
        email=f"{PREFIX}@new.example",
        role=Role.VIEWER,
        invited_by=cast.owner,
        digest="f",
        expires_at=timezone.now() + dt.timedelta(days=1),
    )
    LoginSession.objects.create(user=cast.owner, digest="f", agent=f"{PREFIX}-agent")
    Passkey.objects.create(user=cast.owner, name=f"{PREFIX}-passkey", credential=b"", credential_digest="f")
    SshKey.objects.create(user=cast.owner, name=f"{PREFIX}-key", line=f"{PREFIX}-line", fingerprint="f")
    event = Event.objects.create(
        kind=Kind.VM_CRASHED,
        target_type="vm",
        target_id=cast.acme_vm.pk,
        target_label=f"{PREFIX}-vm",
        project=cast.acme,
        spread_at=timezone.now(),
    )
    Notice.objects.create(event=event, user=cast.owner)
    webhook = Webhook.objects.create(
        project=cast.acme, made_by=cast.owner, name=f"{PREFIX}-webhook", url=f"https://{PREFIX}.example/"
    )
    Delivery.objects.create(event=event, webhook=webhook)
    now = timezone.now()
    Certificate.objects.create(
        serial="c" * 32,
        fingerprint="c" * 64,
        usage=CertificateUsage.AGENT,
        hypervisor=cast.hypervisor_here,
        subject=f"CN={PREFIX}-host",
        not_before=now,
        not_after=now + dt.timedelta(days=1),
    )
    return cast


def ids_of(cast: Cast) -> dict[str, Any]:
    """What stands for Acme in an address."""
    return {
        "vm_id": cast.acme_vm.pk,
        "project_id": cast.acme.pk,
        "user_id": cast.owner.pk,
        "site_id": cast.here.pk,
        "hypervisor_id": cast.hypervisor_here.pk,
        "discovered_id": DiscoveredDomain.objects.get().pk,
        "image_id": Image.objects.get().pk,
        "size_id": Size.objects.order_by("name").values_list("pk", flat=True)[0],
        "pool": "canary-none",
        "operation_id": Operation.objects.get().pk,
        "session_id": ConsoleSession.objects.get().pk,
        "token_id": LoginToken.objects.get().pk,
        "disk_id": Disk.objects.get().pk,
        "mac": Nic.objects.get().mac,
        "snapshot_id": Snapshot.objects.get().pk,
        "what": "resources",
        "probe_id": uuid.UUID(int=7),
        "link_id": GuestLink.objects.get().pk,
        "screenshot_id": Screenshot.objects.get().pk,
        "invitation_id": Invitation.objects.get().pk,
        "login_session_id": LoginSession.objects.get(digest="f").pk,
        "passkey_id": Passkey.objects.get().pk,
        "key_id": SshKey.objects.get().pk,
        "notice_id": Notice.objects.get().pk,
        "webhook_id": Webhook.objects.get(project=cast.acme).pk,
        "delivery_id": Delivery.objects.get().pk,
        "content_type_id": 1,
        "url": "canary-none",
        "app_label": "vms",
        # Django admin's, by model:
        "accounts/user": cast.owner.pk,
        "accounts/project": cast.acme.pk,
        "accounts/logintoken": LoginToken.objects.get().pk,
        "accounts/auditevent": AuditEvent.objects.filter(actor=cast.owner).first().pk,  # type: ignore[union-attr]
        "hypervisors/site": cast.here.pk,
        "hypervisors/hypervisor": cast.hypervisor_here.pk,
        "hypervisors/certificate": "c" * 32,
        "vms/vm": cast.acme_vm.pk,
        "consoles/consolesession": ConsoleSession.objects.get().pk,
    }


def addresses(cast: Cast) -> list[Address]:
    """All that the URLconf knows, with Acme's ids. Raises KeyError for an id that this file does not know."""
    ids = {**ids_of(cast), "object_id": cast.acme_vm.pk}
    return [Address(route.name, route.path(ids), has_id=bool(route.ids - {"app_label"})) for route in routes()]


def client_of(cast: Cast, who: str) -> Client:
    if who == "anonymous":
        return cast.pages()
    user = getattr(cast, who)
    user.refresh_from_db()  # it may just have signed out everywhere
    return cast.pages(user)


def snapshot() -> dict[str, list[dict[str, Any]]]:
    """All that is Acme's, or at its site."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for model in (
        User,
        Project,
        Membership,
        Site,
        Hypervisor,
        Vm,
        DiscoveredDomain,
        ConsoleSession,
        GuestLink,
        Certificate,
        Image,
        Size,
        Quota,
        Passkey,
        Invitation,
        Notice,
        OpenNetwork,
    ):
        rows[model.__name__] = list(model._default_manager.order_by("pk").values())
    rows["LoginToken"] = list(LoginToken.objects.filter(name__startswith=PREFIX).values("pk", "user", "digest"))
    rows["LoginSession"] = list(LoginSession.objects.filter(agent__startswith=PREFIX).values("pk"))
    rows["Webhook"] = list(Webhook.objects.filter(name__startswith=PREFIX).values())
    rows["Operation"] = list(Operation.objects.values("pk", "state"))
    return rows


def statuses(address: Address, who: str, method: str) -> set[int]:
    """What may be answered there."""
    if address.name in OPEN_TO_ALL:
        return {200, 302, 400, 401, 403, 404, 405, 409, 415}
    if who == "anonymous":
        return {401, 403, 405} if address.is_api else {302, 404, 405}
    if address.is_admin:
        return {200, 302, 400, 403, 404, 405} if who == "staff_there" and not address.has_id else {302, 403, 404, 405}
    if address.has_id:
        return {404, 405} | ({302} if address.name in SECOND_CLICKS else set())
    return {200, 201, 204, 302, 400, 403, 404, 405}


@pytest.mark.parametrize("who", STRANGERS)
def test_nothing_is_there_for_strangers(world: Cast, who: str) -> None:
    wrong: list[tuple[str, str, object]] = []
    before = snapshot()
    for address in addresses(world):
        for method in METHODS if address.is_api else METHODS[:2]:
            answer = client_of(world, who).generic(method, address.path, "{}", content_type="application/json")
            if answer.status_code not in statuses(address, who, method):
                wrong.append((method, address.path, answer.status_code))
            if tells(answer):
                wrong.append((method, address.path, "canary"))
    assert wrong == []
    after = snapshot()
    made = {row["id"] for row in after["Project"]} - {row["id"] for row in before["Project"]}
    after["Project"] = [row for row in after["Project"] if row["id"] not in made]
    after["Membership"] = [row for row in after["Membership"] if row["project_id"] not in made]
    for row in (*before["User"], *after["User"]):
        if row["id"] in (world.outsider.pk, world.staff_there.pk):
            del row["session_epoch"], row["last_login"]  # they signed in, and out everywhere
    assert after == before


@pytest.mark.parametrize("who", STRANGERS)
def test_no_filter_leads_there(world: Cast, who: str) -> None:
    ids = ids_of(world)
    wanted = {"vm": ids["vm_id"], "target": ids["vm_id"], "target_id": ids["vm_id"], "search": PREFIX[1:], "q": "anary"}
    wanted |= {name: ids[f"{name}_id"] for name in ("project", "hypervisor", "site")}
    client = client_of(world, who)
    for address in addresses(world):
        if (
            address.has_id or address.is_admin or address.name == "api-schema"
        ):  # which lists nothing, and takes a second
            continue
        for name in FILTERS:
            answer = client.get(address.path, {name: wanted[name], "part": "1"})
            assert not tells(answer), (address.path, name)
    assert client.get("/profile/").status_code == (302 if who == "anonymous" else 200), "it was signed out on the way"


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        (
            "owner",
            {"api-vms", "api-vm", "api-operations", "api-operation", "api-consoles", "api-console", "api-audit"}
            | {"api-guest-links", "vm-links"}
            | {"api-projects", "api-project", "api-members", "api-me", "api-tokens", "api-images", "api-image"}
            | {
                "dashboard",
                "vm-list",
                "vm-detail",
                "vm-card",
                "vm-console",
                "vm-doctor",
                "activity",
                "project-detail",
                "profile",
            }
            | {"api-notifications", "api-project-webhooks", "api-webhook"}
            | {"notifications", "project-webhooks", "webhook", "webhook-deliveries"},
        ),
        (
            "staff_here",
            {
                "api-hypervisors",
                "api-hypervisor",
                "api-sites",
                "api-site",
                "api-site-networks",
                "api-discovered-domains",
                "api-pools",
            }
            | {"manage-overview", "manage-hypervisor", "manage-vms", "manage-drift", "manage-operations"}
            | {"manage-audit", "manage-audit-export", "vms_vm_changelist", "hypervisors_hypervisor_change"},
        ),
        ("superuser", {"api-users", "api-user", "accounts_user_changelist", "hypervisors_certificate_changelist"}),
    ],
)
def test_the_canary_sings_for_those_who_may_hear_it(world: Cast, who: str, seen: set[str]) -> None:
    """Else the sweep above would prove nothing."""
    heard = {address.name for address in addresses(world) if tells(client_of(world, who).get(address.path))}
    assert seen <= heard, seen - heard


def tells(answer: Any) -> bool:
    """Whether a name of Acme's is in the answer, its headers included; an address that was asked for is not one."""
    body = b"".join(answer) if answer.streaming else answer.content
    headers = "".join(f"{name}: {value}\n" for name, value in answer.items())
    text = (body.decode(errors="replace") + headers).replace("canary-none", "")
    return PREFIX in text
