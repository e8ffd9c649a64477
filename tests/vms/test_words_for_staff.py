"""Where a host is, and how to mend it, is for staff of its site. Whoever owns a machine there is told what that means for it, whichever way out the words take."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.core import mail
from django.utils import timezone
from structlog.testing import capture_logs

from accounts.models import AuditEvent, Role, User
from accounts.services import membership_set
from common.problems import from_error
from hypervisors import errors
from hypervisors.doctor import connection_test
from hypervisors.failures import BudgetSpentError, as_agent_error
from hypervisors.models import Hypervisor
from hypervisors.selectors import staff_words
from hypervisors.tls import agent_tls
from notifications.models import Kind, Notice, Way
from notifications.services import choices_set, webhook_create
from operations.claims import operation_claim
from operations.models import Operation, OperationState
from operations.worker import operation_run
from tests.cast import Cast
from tests.hypervisors.conftest import ca
from tests.hypervisors.peers import make_leaf, pin
from tests.notifications.conftest import Receiver, authority, receiver, settle
from tests.vms.test_live import heard, listen
from vms.models import Vm
from vms.services import vm_change_state

__all__ = ["authority", "ca", "receiver"]

ADDRESS = "127.77.0.9:1"
MEANING = "The host cannot be reached just now"
HINT = "systemctl status eve-agent"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def away(cast: Cast, ca: Any) -> Hypervisor:
    """The host of Acme's machine: enrolled, and nothing listens at its address."""
    host = cast.hypervisor_here
    pin(host, make_leaf(ca.authority(), host), 1)
    Hypervisor.objects.filter(pk=host.pk).update(address=ADDRESS, state="online", last_seen_at=timezone.now())
    return host


def fail(cast: Cast) -> Operation:
    """Acme's machine is to be stopped, and its host is away."""
    vm_change_state(vm=Vm.objects.get(pk=cast.acme_vm.pk), action="stop", user=cast.owner)
    operation = operation_claim(worker="w")
    assert operation is not None
    operation_run(operation)
    operation.refresh_from_db()
    assert (operation.state, operation.error["code"]) == (OperationState.FAILED, "host_away")
    return operation


def guest_of_theos(cast: Cast) -> User:
    """Staff of another site, who own machines here as customers do."""
    membership_set(project=cast.acme, user=cast.staff_there, role=Role.OWNER, by=cast.owner)
    return cast.staff_there


def ways_of(cast: Cast, operation: Operation) -> dict[str, Callable[[User], str]]:
    """Where pages and API tell how an operation ended."""
    page = f"/vms/{cast.acme_vm.pk}"
    return {
        "its page": lambda user: cast.pages(user).get(f"{page}/").content.decode(),
        "its card": lambda user: cast.pages(user).get(f"{page}/part/", {"as": "header"}).content.decode(),
        "its operations": lambda user: cast.pages(user).get(f"{page}/operations/", {"part": "1"}).content.decode(),
        "API": lambda user: cast.api(user).get(f"/api/v1/operations/{operation.pk}").content.decode(),
        "API, list": lambda user: cast.api(user).get("/api/v1/operations").content.decode(),
    }


def test_an_operations_end_on_pages_and_in_the_api(cast: Cast, away: Hypervisor) -> None:
    operation = fail(cast)
    others = [cast.owner, cast.operator, cast.viewer, guest_of_theos(cast)]
    for way, tell in ways_of(cast, operation).items():
        for user in others:
            told = tell(user)
            assert MEANING in told, (way, user)
            assert ADDRESS not in told, (way, user)
            assert HINT not in told, (way, user)
        for user in (cast.staff_here, cast.staff_everywhere, cast.superuser):
            told = tell(user)
            assert MEANING in told, (way, user)
            assert ADDRESS in told, (way, user)
            assert HINT in told, (way, user)
    assert ADDRESS in cast.pages(cast.staff_here).get("/manage/operations/").content.decode()


def test_a_refused_request(cast: Cast, away: Hypervisor) -> None:
    asked = f"/api/v1/vms/{cast.acme_vm.pk}/screenshot"
    for user in (cast.owner, cast.viewer, guest_of_theos(cast)):
        answer = cast.api(user).get(asked)
        assert (answer.status_code, answer.json()["code"]) == (503, "host_away")
        assert answer.json()["detail"].startswith(MEANING)
        assert ADDRESS not in answer.content.decode()
    for user in (cast.staff_here, cast.staff_everywhere, cast.superuser):
        assert ADDRESS in cast.api(user).get(asked).json()["for_staff"]


def test_a_request_refused_since_eve_has_no_connection_to_trust(cast: Cast, away: Hypervisor) -> None:
    """Before anything is sent."""
    Hypervisor.objects.filter(pk=away.pk).update(certificate_fingerprint="")
    asked = f"/api/v1/vms/{cast.acme_vm.pk}/screenshot"
    for user in (cast.owner, guest_of_theos(cast)):
        answer = cast.api(user).get(asked)
        assert answer.json()["code"] == "host_not_trusted"
        assert away.name not in answer.content.decode()
    assert away.name in cast.api(cast.staff_here).get(asked).json()["for_staff"]


@pytest.mark.parametrize("part", ["staff_here", "staff_there", "owner"])
def test_what_happened_at_no_site_is_for_staff_of_every_site(cast: Cast, part: str) -> None:
    failure = errors.AuthorityError("/canary")
    assert staff_words(cast.everybody[part], failure) == ""
    assert staff_words(cast.staff_everywhere, failure) == staff_words(cast.superuser, failure) == "/canary"


def test_what_a_page_says_of_a_refused_request(cast: Cast, away: Hypervisor) -> None:
    for user in (cast.owner, guest_of_theos(cast)):
        shown = cast.pages(user).post(f"/vms/{cast.acme_vm.pk}/screenshots/take/", follow=True).content.decode()
        assert MEANING in shown
        assert ADDRESS not in shown


def test_open_pages(cast: Cast, away: Hypervisor) -> None:
    async def told(user: User) -> list[Any]:
        connection, _key = await listen(user)
        await database_sync_to_async(fail)(cast)
        messages = await heard(connection, with_events=True)
        await connection.disconnect()
        return messages

    for user in (cast.owner, cast.staff_here):
        messages = async_to_sync(told)(user)
        assert any(message["type"] == "operation" for message in messages)
        assert ADDRESS not in json.dumps(messages), "who may see more fetches it"


def test_mails_webhooks_and_the_list_of_what_happened(cast: Cast, away: Hypervisor, receiver: Receiver) -> None:
    webhook_create(project=cast.acme, by=cast.owner, name="chat", url=receiver.url, kinds=[Kind.OPERATION_FAILED])
    choices_set(user=cast.owner, project=None, wanted={(Kind.OPERATION_FAILED, Way.MAIL): True})
    fail(cast)
    settle()
    assert {address for letter in mail.outbox for address in letter.to} >= {cast.owner.email}
    told = [letter.body for letter in mail.outbox] + [body.decode() for _headers, body in receiver.got]
    assert receiver.got
    assert Notice.objects.filter(user=cast.viewer).exists()
    told.append(cast.pages(cast.viewer).get("/notifications/").content.decode())
    told.append(cast.api(cast.viewer).get("/api/v1/notifications").content.decode())
    for words in told:
        assert MEANING in words
        assert ADDRESS not in words
        assert HINT not in words


def test_the_audit_and_the_log(cast: Cast, away: Hypervisor) -> None:
    with capture_logs() as logs:
        fail(cast)
    (line,) = (line for line in logs if line["event"] == "operation failed")
    assert ADDRESS in line["why"]
    assert AuditEvent.objects.get(action="vm.stop", outcome="failure").detail["error"] == "host_away"
    activity = f"/vms/{cast.acme_vm.pk}/activity/"
    assert ADDRESS not in cast.pages(cast.owner).get(activity, {"part": "1"}).content.decode()


def test_the_consoles_doctor(cast: Cast, away: Hypervisor) -> None:
    asked = f"/api/v1/vms/{cast.acme_vm.pk}/console/doctor/host"
    assert ADDRESS not in cast.api(cast.owner).post(asked).content.decode()
    assert ADDRESS in cast.api(cast.staff_here).post(asked).content.decode()


def test_who_looks_after_the_host_is_told_where_and_why(cast: Cast, away: Hypervisor) -> None:
    steps = {step.code: step.detail for step in connection_test(Hypervisor.objects.get(pk=away.pk))}
    assert steps["tcp"].startswith(ADDRESS)
    assert "systemctl status eve-agent" in steps["tcp"]


def _unverified(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "canary"
    return error


def _tls(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    error = kind(1, "handshake failed")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    "error",
    [
        BudgetSpentError(),
        socket.gaierror(-2, "Name or service not known"),
        TimeoutError(),
        ConnectionRefusedError(),
        ConnectionResetError(),
        OSError(113, "No route to host"),
        OSError(5, "Input/output error"),
        *(_unverified(code) for code in (9, 10, 18, 19, 20, 26, 62, 99)),
        *(_tls(reason) for reason in ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "WRONG_VERSION_NUMBER", "CANARY")),
        _tls("", ssl.SSLEOFError),
    ],
    ids=repr,
)
def test_no_failure_of_a_link_says_to_everybody_where_it_leads(cast: Cast, away: Hypervisor, error: Exception) -> None:
    trust = agent_tls(Hypervisor.objects.get(pk=away.pk))
    failure = as_agent_error(error, trust)
    told = json.dumps(from_error(failure))
    assert not any(word in told for word in (ADDRESS, away.name, "enrol", "systemctl", "canary"))
    assert ADDRESS in failure.for_staff or away.name in failure.for_staff
    assert not failure.for_staff.endswith("?."), "a sentence ends once"
    assert str(failure) == failure.for_staff, "logs, and who looks after hosts, have it"


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BehindTheScenes)],
)
def test_everything_behind_the_scenes_has_a_sentence_for_everybody(kind: type[errors.BehindTheScenes]) -> None:
    if kind in (errors.BehindTheScenes, errors.AgentRefused):
        return
    failure = kind("/canary")
    assert "canary" not in str(failure.detail)
    assert str(failure.detail).endswith(".")
    assert "taff" in str(failure.detail), "whom to tell"
