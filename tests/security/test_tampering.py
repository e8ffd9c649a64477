"""Fields that nobody may set, sent to every address of the API that takes any.

Each operation of the OpenAPI schema that changes something stands in :data:`BODIES`; a new one fails until it does.
"""

from __future__ import annotations

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from accounts.services import token_create
from consoles.models import ConsoleSession
from hypervisors.models import Hypervisor
from notifications.models import Event, Kind, Notice, Webhook
from tests.cast import Cast
from tests.factories import PASSWORD
from vms.models import DiscoveredDomain, Disk, Image, Size, Snapshot

from .test_objects import snapshot

WRITES = ("post", "put", "patch")
TAMPERING: dict[str, Any] = {
    "role": "owner",
    "owner": "{outsider}",
    "user": "{outsider}",
    "personal_owner": "{outsider}",
    "is_staff": True,
    "is_superuser": True,
    "is_site_limited": False,
    "is_personal": False,
    "is_active": False,
    "password": "changed by nobody 7",
    "session_epoch": 7,
    "permissions": ["accounts.change_user"],
    "hypervisor": "{hypervisor}",
    "project": "{project}",
    "site": "{site}",
    "id": "{outsider}",
    "uuid": "{outsider}",
    "state": "off",
    "facts": {"host_name": "elsewhere"},
    "certificate_fingerprint": "f" * 64,
    "created_at": "2020-01-01T00:00:00Z",
    "no_such_field": 1,
}
BODIES: dict[str, Any] = {
    # operationId: a body that is valid but for what is added to it; None where there is none
    "login": {"email": "sue@eve.example", "password": PASSWORD},
    "logout": {},
    "logout_all": None,
    "me_update": {"name": "Another"},
    "user_create": {"email": "new@eve.example", "name": "New"},
    "user_update": {"name": "Another"},
    "user_password_link": None,
    "ssh_key_add": {"line": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ8mJk0Yl0Xl2o9K1V0o3b7Yw2a1cQ1c2d3e4f5g6h7"},
    "project_create": {"name": "New"},
    "project_update": {"name": "Another"},
    "member_add": {"email": "otto@otto.example", "role": "viewer"},
    "member_update": {"role": "owner"},
    "site_create": {"name": "new"},
    "site_network_set": {"kind": "network", "name": "default", "is_open": True},
    "hypervisor_register": {"name": "new", "address": "127.0.0.1:2", "site": "{here}"},
    "hypervisor_update": {"remarks": "Another"},
    "hypervisor_enrolment": None,
    "hypervisor_test": None,
    "image_create": {"name": "new", "size_bytes": 2**20},
    "image_update": {"name": "Another"},
    "image_data_send": None,
    "image_data_finish": None,
    "size_create": {"name": "new", "vcpus": 1, "memory_bytes": 2**30, "disk_bytes": 2**30},
    "size_update": {"vcpus": 2},
    "project_quota_set": {"vms": 5},
    "vms_state_set": {"action": "stop", "vms": ["7f0c63a4-5f7e-4f5e-9f0e-3c1f0a6f2b11"]},
    "vm_create": {"name": "new", "vcpus": 1, "memory_bytes": 2**30},
    "guest_password_set": {"account": "root", "password": "x"},
    "guest_freeze": {"seconds": 5},
    "guest_thaw": None,
    "screenshot_take": None,
    "vm_rescue": {"image": "{image_id}"},
    "vm_reinstall": {"image": "{image_id}"},
    "vm_clone": {"name": "copy"},
    "vm_template": {"name": "image"},
    "vm_move": {"project": "{acme}"},
    "boot_order_set": {"devices": ["cdrom"]},
    "vm_resize": {"vcpus": 1, "memory_bytes": 2**30},
    "disk_add": {"size_bytes": 2**30},
    "disk_attach": None,
    "disk_grow": {"size_bytes": 2**40},
    "nic_add": {"network": "default"},
    "cd_change": {"image": None},
    "snapshot_make": {"name": "before"},
    "snapshot_revert": None,
    "vms_partial_update": {"remarks": "Another"},
    "vms_state_partial_update": {"action": "start"},
    "drift_accept": None,
    "drift_restore": None,
    "drift_forget": None,
    "discovered_domains_adopt_create": {"project": "{acme}"},
    "operation_cancel": None,
    "console_type": {"text": "ls"},
    "guest_link_create": {"label": "a guest"},
    "console_set_mode": {"mode": "view"},
    "console_hand_over": None,
    "console_ticket": {"mode": "view"},
    "notification_update": {"is_read": True},
    "notifications_read": None,
    "notification_choices_set": {"choices": []},
    "project_notification_choices_set": {"choices": []},
    "project_webhook_create": {"name": "new", "url": "https://example.org/", "kinds": ["vm_crashed"]},
    "webhook_create": {"name": "new", "url": "https://example.org/", "kinds": ["host_away"]},
    "webhook_update": {"name": "Another"},
    "webhook_secret_renew": None,
    "webhook_test": None,
    "webhook_delivery_again": None,
    "console_doctor_begin": None,
    "console_doctor_host": None,
    "enrol": None,  # a host's: by the wire contract unknown members are ignored, and the token says all that counts
}


def schema() -> dict[str, Any]:
    return dict(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


def writes(api: dict[str, Any]) -> dict[str, tuple[str, str, set[str]]]:
    """By operationId: method, path, and the fields that may be set there."""
    found = {}
    for path, operations in api["paths"].items():
        for method in WRITES:
            if method in operations:
                operation = operations[method]
                found[operation["operationId"].removeprefix("v1_")] = (method, path, fields_of(api, operation))
    return found


def fields_of(api: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    reference = content.get("schema", {}).get("$ref", "")
    component = api["components"]["schemas"].get(reference.rpartition("/")[2], {})
    return {name for name, rule in component.get("properties", {}).items() if not rule.get("readOnly")}


def ids_of(cast: Cast) -> dict[str, str]:
    return {
        "disk_id": str(cast.acme_vm.disks.get().pk),
        "snapshot_id": str(cast.acme_vm.snapshots.get().pk),
        "vm_id": str(cast.acme_vm.pk),
        "session_id": str(ConsoleSession.objects.get().pk),
        "project_id": str(cast.acme.pk),
        "user_id": str(cast.operator.pk),
        "hypervisor_id": str(cast.hypervisor_here.pk),
        "image_id": str(Image.objects.get().pk),
        "size_id": str(Size.objects.order_by("name").values_list("pk", flat=True)[0]),
        "discovered_id": str(DiscoveredDomain.objects.get().pk),
        "notice_id": str(Notice.objects.get().pk),
        "webhook_id": str(Webhook.objects.get().pk),
        "delivery_id": str(cast.acme.pk),
        "outsider": str(cast.outsider.pk),
        "hypervisor": str(cast.hypervisor_there.pk),
        "project": str(cast.ottos.pk),
        "site_id": str(cast.here.pk),
        "site": str(cast.there.pk),
        "here": str(cast.here.pk),
        "acme": str(cast.acme.pk),
    }


def filled(value: Any, ids: dict[str, str]) -> Any:
    return value.format(**ids) if isinstance(value, str) else value


@pytest.fixture
def world(cast: Cast) -> Cast:
    DiscoveredDomain.objects.create(hypervisor=cast.hypervisor_here, uuid=cast.ottos.pk, name="found")
    Image.objects.create(name="found", site=cast.here, project=cast.acme)
    Hypervisor.objects.update(eve_pins=[])
    token_create(user=cast.owner, name="canary")
    Disk.objects.create(
        project=cast.acme, vm=cast.acme_vm, hypervisor=cast.hypervisor_here, pool="default", size_bytes=1
    )
    Snapshot.objects.create(vm=cast.acme_vm, name="old", vcpus=1, memory_bytes=1)
    ConsoleSession.objects.create(vm=cast.acme_vm, vm_uuid=cast.acme_vm.pk, vm_name="acme-web", user=cast.owner)
    event = Event.objects.create(kind=Kind.VM_CRASHED, target_id=cast.acme_vm.pk, user=cast.superuser)
    Notice.objects.create(event=event, user=cast.superuser)
    Webhook.objects.create(project=cast.acme, made_by=cast.owner, name="old", url="https://example.org/")
    return cast


def test_every_operation_is_known() -> None:
    assert set(writes(schema())) == set(BODIES)


@pytest.mark.parametrize("operation", [name for name, body in BODIES.items() if body is not None])
def test_what_cannot_be_set_is_refused_aloud(world: Cast, operation: str) -> None:
    method, path, settable = writes(schema())[operation]
    ids = ids_of(world)
    client = world.api(world.superuser)
    before = snapshot()
    base = {name: filled(value, ids) for name, value in BODIES[operation].items()}
    for name, value in TAMPERING.items():
        if name in settable:
            continue
        body = {**base, name: filled(value, ids)}
        answer = getattr(client, method)(path.format(**ids), data=body, format="json")
        assert answer.status_code == 400, (name, answer.content)
        assert name in answer.json().get("errors", {}), (name, answer.content)
        assert snapshot() == before, name


@pytest.mark.parametrize("who", ["owner", "operator", "viewer", "staff_here", "staff_everywhere"])
def test_nobody_makes_more_of_themselves_or_others(world: Cast, who: str) -> None:
    user, ids = getattr(world, who), ids_of(world)
    client = world.api(user)
    before = {row["id"]: row for row in snapshot()["User"]}
    for field in ("is_staff", "is_superuser", "is_site_limited"):
        for value in (True, False):
            client.patch("/api/v1/me", {field: value}, format="json")
            for target in (user, world.operator, world.superuser):
                client.patch(f"/api/v1/users/{target.pk}", {field: value}, format="json")
        client.post("/api/v1/users", {"email": f"{field}@eve.example", "name": "New", field: True}, format="json")
    after = {row["id"]: row for row in snapshot()["User"]}
    for key, row in before.items():
        assert after[key] == row
    assert not any(row["is_staff"] or row["is_superuser"] for key, row in after.items() if key not in before)
    if who in ("operator", "viewer"):
        members = f"/api/v1/projects/{ids['acme']}/members"
        client.patch(f"{members}/{user.pk}", {"role": "owner"}, format="json")
        client.post(members, {"email": user.email, "role": "owner"}, format="json")
        assert user.memberships.get(project=world.acme).role == who
