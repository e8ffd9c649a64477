"""Every list of the pages: searched, narrowed, sorted and paged by its address, at a number of queries that does not grow."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, AuditOutcome, Project, User
from common.lists import Choices, LoadedChoices
from consoles.models import ConsoleMode, ConsoleSession
from consoles.viewers import CONSOLES
from hypervisors.models import Hypervisor, HypervisorState, Outage
from notifications.models import Event, Kind, Notice, Webhook
from notifications.selectors import NOTICES, WEBHOOKS
from operations.models import Operation, OperationState
from tests.cast import Cast
from tests.vms.test_alerts import facts
from vms.drift_lists import DRIFT_KINDS
from vms.lists import ACTIVITY, AUDIT, HOSTS, IMAGES, OPERATIONS, OUTAGES, POOLS, QUOTAS, SIZES, VM_OPERATIONS
from vms.models import DiscoveredDomain, Image, ImageKind, ImageState, Quota, Size, Vm, VmState
from vms.people import PROJECTS, USERS

pytestmark = pytest.mark.django_db

PEOPLE = 3
Make = Callable[[Cast, int], None]


def operations_make(cast: Cast, count: int) -> None:
    states = (OperationState.SUCCEEDED, OperationState.FAILED)
    Operation.objects.bulk_create(
        Operation(
            kind="vm.start",
            target_type="vm",
            target_id=uuid4(),
            target_label=f"thing-{number:03}",
            project=cast.acme,
            requested_by=(cast.owner, cast.operator, cast.viewer)[number % PEOPLE],
            state=states[number % 2],
            created_at=_before(number),
            finished_at=_before(number),
        )
        for number in range(count)
    )


def vm_operations_make(cast: Cast, count: int) -> None:
    people = User.objects.bulk_create(
        User(email=f"{uuid4().hex}@acme.example", name=f"thing-{number:03}") for number in range(count)
    )
    states = (OperationState.SUCCEEDED, OperationState.FAILED)
    Operation.objects.bulk_create(
        Operation(
            kind="vm.start",
            target_type="vm",
            target_id=cast.acme_vm.pk,
            target_label=cast.acme_vm.name,
            project=cast.acme,
            requested_by=person,
            state=states[number % 2],
            created_at=_before(number),
            finished_at=_before(number),
        )
        for number, person in enumerate(people)
    )


def images_make(cast: Cast, count: int) -> None:
    Image.objects.bulk_create(
        Image(
            name=f"thing-{number:03}",
            kind=(ImageKind.CLOUD, ImageKind.ISO)[number % 2],
            state=ImageState.READY,
            project=cast.acme if number % 2 else None,
            site=cast.here,
            size_bytes=number,
            created_at=_before(number),
        )
        for number in range(count)
    )


def events_make(cast: Cast, count: int) -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(
            at=_before(number),
            actor=(cast.owner, cast.operator, cast.viewer)[number % PEOPLE],
            actor_label=f"user{number % PEOPLE}@acme.example",
            action=("vm.start", "console.open")[number % 2],
            target_type="vm",
            target_id=str(cast.acme_vm.pk),
            target_label=f"thing-{number:03}",
            project=cast.acme,
            outcome=(AuditOutcome.SUCCESS, AuditOutcome.FAILURE)[number % 2],
        )
        for number in range(count)
    )


def consoles_make(cast: Cast, count: int) -> None:
    ConsoleSession.objects.bulk_create(
        ConsoleSession(
            vm=cast.acme_vm,
            vm_uuid=cast.acme_vm.pk,
            vm_name=cast.acme_vm.name,
            user=(cast.owner, cast.operator, cast.viewer)[number % PEOPLE],
            user_label=f"thing-{number:03}",
            mode=(ConsoleMode.CONTROL, ConsoleMode.VIEW)[number % 2],
            started_at=_before(number),
            bytes_to_viewer=number,
        )
        for number in range(count)
    )


def notices_make(cast: Cast, count: int) -> None:
    events = Event.objects.bulk_create(
        Event(
            kind=(Kind.OPERATION_FAILED, Kind.VM_CRASHED)[number % 2],
            project=cast.acme,
            target_id=cast.acme_vm.pk,
            target_label=f"thing-{number:03}",
        )
        for number in range(count)
    )
    Notice.objects.bulk_create(
        Notice(event=event, user=cast.owner, at=_before(number)) for number, event in enumerate(events)
    )


def users_make(cast: Cast, count: int) -> None:
    User.objects.bulk_create(
        User(email=f"{uuid4().hex}@acme.example", name=f"thing-{number:03}", is_active=bool(number % 2))
        for number in range(count)
    )


def projects_make(cast: Cast, count: int) -> None:
    made = Project.objects.bulk_create(
        Project(name=f"thing-{number:03}", created_at=_before(200 - number)) for number in range(count)
    )
    Quota.objects.bulk_create(Quota(project=project, vms=3) for project in made[::2])


def domains_make(cast: Cast, count: int) -> None:
    DiscoveredDomain.objects.bulk_create(
        DiscoveredDomain(
            hypervisor=cast.hypervisor_here,
            uuid=uuid4(),
            name=f"thing-{number:03}",
            first_seen_at=_before(200 - number),
        )
        for number in range(count)
    )


def _vms_make(cast: Cast, count: int, **fields: object) -> None:
    Vm.objects.bulk_create(
        Vm(
            id=uuid4(),
            name=f"thing-{number:03}",
            project=cast.acme,
            hypervisor=cast.hypervisor_here,
            vcpus=1,
            memory_bytes=1,
            state_since=_before(200 - number),
            **fields,
        )
        for number in range(count)
    )


def missing_make(cast: Cast, count: int) -> None:
    _vms_make(cast, count, state=VmState.MISSING)


def changed_make(cast: Cast, count: int) -> None:
    _vms_make(cast, count, seen_vcpus=2)


def outages_make(cast: Cast, count: int) -> None:
    Outage.objects.bulk_create(
        Outage(
            hypervisor=cast.hypervisor_here,
            state=(HypervisorState.OFFLINE, HypervisorState.LIBVIRT_DOWN)[number % 2],
            reason=f"thing-{number:03}",
            began_at=_before(number + 1 + number % 7),
            ended_at=_before(number),
        )
        for number in range(count)
    )


def pools_make(cast: Cast, count: int) -> None:
    host = cast.hypervisor_here
    pools = [
        {
            "name": f"thing-{number:03}",
            "kind": ("dir", "logical")[number % 2],
            "is_active": True,
            "capacity_bytes": 200,
            "available_bytes": 200 - number,
        }
        for number in range(count)
    ]
    host.facts = {**facts(), "pools": pools}
    host.save()


def hosts_make(cast: Cast, count: int) -> None:
    Hypervisor.objects.bulk_create(
        Hypervisor(
            name=f"thing-{number:03}-{uuid4().hex[:8]}",
            site=(cast.here, cast.there)[number % 2],
            address=f"192.0.2.1:{1000 + number}",
            state=(HypervisorState.ONLINE, HypervisorState.NEW)[number % 2],
            facts=facts(),
        )
        for number in range(count)
    )


def sizes_make(cast: Cast, count: int) -> None:
    Size.objects.bulk_create(
        Size(
            name=f"thing-{number:03} {uuid4().hex[:8]}",
            vcpus=1,
            memory_bytes=number + 1,
            disk_bytes=1,
            is_offered=bool(number % 2),
        )
        for number in range(count)
    )


def webhooks_make(cast: Cast, count: int, *, own: bool = False) -> None:
    Webhook.objects.bulk_create(
        Webhook(
            project=None if own else cast.acme,
            made_by=cast.staff_here if own else (cast.owner, cast.operator)[number % 2],
            name=f"thing-{number:03}",
            url="https://told.example/",
            is_on=bool(number % 2),
            created_at=_before(200 - number),
        )
        for number in range(count)
    )


def own_webhooks_make(cast: Cast, count: int) -> None:
    webhooks_make(cast, count, own=True)


LISTS: dict[str, tuple[Choices | LoadedChoices[Any], str, Make]] = {
    # address: what it offers, who looks, what makes rows
    "/manage/operations/": (OPERATIONS, "superuser", operations_make),
    "/manage/images/": (IMAGES, "superuser", images_make),
    "/images/": (IMAGES, "owner", images_make),
    "/manage/audit/": (AUDIT, "superuser", events_make),
    "/activity/": (ACTIVITY, "owner", events_make),
    "/activity/operations/": (OPERATIONS, "owner", operations_make),
    "/vms/{vm}/activity/": (ACTIVITY, "viewer", events_make),
    "/vms/{vm}/operations/": (VM_OPERATIONS, "viewer", vm_operations_make),
    "/manage/consoles/": (CONSOLES, "superuser", consoles_make),
    "/notifications/": (NOTICES, "owner", notices_make),
    "/manage/users/": (USERS, "superuser", users_make),
    "/manage/projects/": (PROJECTS, "superuser", projects_make),
    "/manage/hypervisors/{host}/outages/": (OUTAGES, "staff_here", outages_make),
    "/manage/drift/unknown/": (DRIFT_KINDS["unknown"].choices, "superuser", domains_make),
    "/manage/drift/missing/": (DRIFT_KINDS["missing"].choices, "staff_here", missing_make),
    "/manage/drift/changed/": (DRIFT_KINDS["changed"].choices, "staff_here", changed_make),
    "/manage/quotas/": (QUOTAS, "superuser", projects_make),
    "/manage/": (HOSTS, "superuser", hosts_make),
    "/manage/pools/": (POOLS, "staff_here", pools_make),
    "/manage/sizes/": (SIZES, "superuser", sizes_make),
    "/projects/{project}/webhooks/": (WEBHOOKS, "owner", webhooks_make),
    "/webhooks/": (WEBHOOKS, "staff_here", own_webhooks_make),
}
every_list = pytest.mark.parametrize("address", LISTS)


def _at(cast: Cast, address: str) -> str:
    return address.format(vm=cast.acme_vm.pk, host=cast.hypervisor_here.pk, project=cast.acme.pk)


def _before(number: int) -> dt.datetime:
    return timezone.now() - dt.timedelta(minutes=number)


def _browser(cast: Cast, address: str) -> tuple[Choices | LoadedChoices[Any], Callable[..., str]]:
    choices, who, make = LISTS[address]
    make(cast, 120)
    browser = cast.pages(getattr(cast, who))

    def page(**query: object) -> str:
        answer = browser.get(_at(cast, address), query)
        assert answer.status_code == 200
        return answer.content.decode()

    return choices, page


def _things(html: str) -> list[str]:
    """What is listed, in its order; once each."""
    return list(dict.fromkeys(re.findall(r"thing-\d{3}", re.sub(r"<input[^>]*>", "", html))))


@every_list
def test_queries_do_not_grow(cast: Cast, address: str) -> None:
    choices, who, make = LISTS[address]
    make(cast, 4)
    browser = cast.pages(getattr(cast, who))
    queries = [
        {},
        {"q": "thing"},
        {"sort": list(choices.sorts)[-1]},
        {choices.group_name: next(iter(choices.groups), "")},
    ]

    def costs() -> list[int]:
        found = []
        for query in queries:
            browser.get(_at(cast, address), query)
            with CaptureQueriesContext(connection) as caught:
                assert browser.get(_at(cast, address), query).status_code == 200
            found.append(len(caught))
        return found

    few = costs()
    make(cast, 100)
    assert costs() == few
    assert max(few) <= 18


@every_list
def test_a_search_finds_one_and_stays_in_its_field(cast: Cast, address: str) -> None:
    _choices, page = _browser(cast, address)
    html = page(q="  thing-077\0 ")
    assert _things(html) == ["thing-077"]
    assert 'name="q" value="thing-077"' in html


@every_list
def test_every_order_is_one_and_turns_over_pages_without_gap_or_repeat(cast: Cast, address: str) -> None:
    choices, page = _browser(cast, address)
    orders = {}
    for sort in choices.sorts:
        shown: list[str] = []
        for number in range(1, 6):
            html = page(q="thing", sort=sort, page=number)
            shown += [thing for thing in _things(html) if thing not in shown]
            if 'rel="next"' not in html:
                break
            assert f"sort={sort}" in re.search(r'rel="next" href="([^"]*)"', html)[1]  # type: ignore[index]
            assert "q=thing" in html
        assert len(shown) == 120, sort
        orders[sort] = tuple(shown)
    assert len(set(orders.values())) > 1


@every_list
def test_every_group_leaves_something_out(cast: Cast, address: str) -> None:
    choices, page = _browser(cast, address)
    for group in choices.groups:
        html = page(**{choices.group_name: group})
        assert f'<option value="{group}" selected>' in html
    nothing = page(q="no such thing")
    assert not _things(nothing)
    assert "Show all" in nothing
    assert f'href="{_at(cast, address)}"' in nothing


@every_list
def test_what_an_address_cannot_mean_is_left_out(cast: Cast, address: str) -> None:
    choices, page = _browser(cast, address)
    odd = page(**{"sort": "; drop", choices.group_name: "x", "page": "1", "q": "\0"})
    assert _things(odd) == _things(page())


def test_the_audit_keeps_its_days_beside_search_and_order(cast: Cast) -> None:
    events_make(cast, 3)
    today = timezone.localdate().isoformat()
    html = cast.pages(cast.superuser).get("/manage/audit/", {"from": today, "to": today, "q": "thing"}).content.decode()
    assert html.count(f'value="{today}"') == 2
    assert len(_things(html)) == 3
    before = cast.pages(cast.superuser).get("/manage/audit/", {"to": "2000-01-01"}).content.decode()
    assert not _things(before)
