"""Every kind, from what really happens to the words of the bell, of a mail at a mail server and of a webhook: to who chose so, and to nobody else."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone
from eve_agent.wire.domain import DomainState

from accounts.models import User
from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.services import hypervisor_state_set
from notifications.models import HOST_KINDS, PROJECT_KINDS, Delivery, Kind, Notice, Way
from notifications.services import choices_set, webhook_create
from notifications.services.conditions import conditions_settle
from notifications.services.levels import levels_look
from notifications.words import told
from tests.cast import Cast
from tests.services.mail import Mails
from tests.vms.conftest import domain_of_vm
from vms.inventory import domain_apply
from vms.services.quotas import quota_set

from .conftest import Receiver, fail_operation, settle


def crashes(cast: Cast) -> None:
    for state in (DomainState.RUNNING, DomainState.CRASHED):
        domain_apply(hypervisor_id=cast.hypervisor_here.pk, domain=domain_of_vm(cast.acme_vm, state=state))


def is_nearly_full(cast: Cast) -> None:
    cast.acme_vm.vcpus = 8
    cast.acme_vm.save()
    quota_set(project=cast.acme, user=cast.superuser, limits={"vcpus": 9})
    levels_look()


def goes_away(cast: Cast) -> None:
    Hypervisor.objects.update(last_seen_at=timezone.now())
    hypervisor_state_set(
        hypervisor_id=cast.hypervisor_here.pk, state=HypervisorState.OFFLINE, reason="Nothing answers there."
    )
    conditions_settle()


def ends_soon(cast: Cast) -> None:
    ends = timezone.now() + dt.timedelta(days=2)
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(certificate_expires_at=ends)
    levels_look()


@dataclass(frozen=True, slots=True)
class Case:
    """What happens, and what is read of it."""

    happens: Callable[[Cast], object]
    title: str
    says: str
    path: str


CASES = {
    Kind.OPERATION_FAILED: Case(fail_operation, "Starting acme-web failed", "The disk is full.", "/vms/"),
    Kind.VM_CRASHED: Case(crashes, "acme-web has crashed", "its disks are untouched. Look at its screen", "/vms/"),
    Kind.QUOTA_NEAR: Case(
        is_nearly_full, "Acme has nearly used up its vCPUs", "8 of 9 are in use. What would need more", "/projects/"
    ),
    Kind.HOST_AWAY: Case(
        goes_away, "Host hv-here does not answer", "Nothing answers there. Its machines may well run", "/manage/hyper"
    ),
    Kind.CERTIFICATE_ENDS: Case(
        ends_soon, "The certificate of host hv-here ends soon", "was not renewed by itself", "/manage/hypervisors/"
    ),
}


def test_no_kind_is_left_out() -> None:
    assert set(CASES) == set(Kind) - {Kind.TEST}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", CASES)
def test_it_is_told_by_every_way_to_who_chose_so(
    cast: Cast, smtp: Mails, receiver: Receiver, settings: Any, kind: Kind
) -> None:
    settings.NOTIFY_AWAY_SECONDS = 0
    settings.QUOTA = dict.fromkeys(settings.QUOTA, 0)
    case, is_of_project = CASES[kind], kind in PROJECT_KINDS
    wants = cast.operator if is_of_project else cast.staff_here
    for user in User.objects.all():
        choices = {(kind, way): user == wants for way in Way}
        choices_set(user=user, project=cast.acme if is_of_project else None, wanted=choices)
    kinds = PROJECT_KINDS if is_of_project else HOST_KINDS
    place = {"project": cast.acme, "by": cast.owner} if is_of_project else {"project": None, "by": cast.staff_here}
    chosen = webhook_create(**place, name="chosen", url=receiver.url, kinds=[kind])[1]
    webhook_create(**place, name="others", url=receiver.url, kinds=[each for each in kinds if each != kind])

    case.happens(cast)
    settle()

    notice = Notice.objects.get()
    words = told(notice.event)
    assert (notice.user, words.title, case.says in words.text) == (wants, case.title, True)
    assert words.path.startswith(case.path)
    (letter,) = smtp.kept
    assert (letter["To"], letter["Subject"]) == (wants.email, f"[Eve] {case.title}")
    assert words.text in " ".join(letter.get_content().split())
    assert words.url in letter.get_content()
    ((headers, body),) = receiver.got
    assert headers["webhook-id"] == str(Delivery.objects.get(webhook=chosen).pk)
    sent = json.loads(body)
    assert (sent["type"], sent["data"]["title"], sent["data"]["text"]) == (kind, case.title, words.text)
    assert sent["data"]["url"] == words.url
