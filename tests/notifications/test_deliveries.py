"""Mails and posts on their way: tried again, given up, never to who may not know any more; and a real SMTP server and webhook at the end."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import smtplib
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import mail
from django.db import connections
from django.utils import timezone

from accounts.models import Membership, Role, User
from accounts.services import membership_remove, membership_set
from common.errors import NotAllowed
from hypervisors.models import Site
from notifications import courier
from notifications.errors import NothingToSend
from notifications.models import Delivery, DeliveryState, Event, Kind, Way, Webhook
from notifications.selectors import BEGINS_ON
from notifications.services import choices_set, delivery_again, webhook_create, webhook_test, webhook_update
from notifications.services.deliveries import (
    PAUSES_SECONDS,
    Letter,
    Outcome,
    Post,
    delivery_claim,
    delivery_end,
    delivery_open,
    events_sweep,
)
from notifications.services.events import event_record
from notifications.services.spreading import MOST_WAITING, events_spread
from tests.cast import Cast
from tests.services.mail import Mails

from .conftest import Receiver, fail_operation, settle

WAITING, SENT, GIVEN_UP, DROPPED = (state.value for state in DeliveryState)


def crash(cast: Cast) -> Event:
    event = event_record(
        kind=Kind.VM_CRASHED,
        target_type="vm",
        target_id=cast.acme_vm.pk,
        target_label=cast.acme_vm.name,
        project=cast.acme,
    )
    while events_spread():
        pass
    return event


def hook(cast: Cast, url: str = "https://example.org/", **fields: Any) -> Webhook:
    wanted = {"project": cast.acme, "by": cast.owner, "name": "chat", "url": url, "kinds": ["vm_crashed"], **fields}
    return webhook_create(**wanted)[1]


def due() -> Delivery:
    Delivery.objects.filter(state=WAITING).update(next_at=timezone.now() - dt.timedelta(seconds=1))
    delivery = delivery_claim(but=())
    assert delivery is not None
    return delivery


# ------------------------------------------------------------------------------------------------ To whom


def test_mails_go_to_who_wants_them(cast: Cast) -> None:
    choices_set(user=cast.operator, project=None, wanted={(Kind.VM_CRASHED, Way.MAIL): False})
    choices_set(user=cast.viewer, project=None, wanted={(Kind.VM_CRASHED, Way.MAIL): False})
    choices_set(user=cast.viewer, project=cast.acme, wanted={(Kind.VM_CRASHED, Way.MAIL): True})
    crash(cast)
    assert {row.user for row in Delivery.objects.all()} == {cast.owner, cast.viewer}


def test_without_a_mail_server_nothing_waits(cast: Cast, settings: Any) -> None:
    settings.SENDS_MAIL = False
    crash(cast)
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("case", ["disabled", "left", "switched off"])
def test_what_waits_is_not_sent_to_who_may_not_know_any_more(cast: Cast, case: str) -> None:
    Membership.objects.filter(project=cast.acme).exclude(user__in=(cast.owner, cast.viewer)).delete()
    choices_set(user=cast.owner, project=None, wanted={(Kind.VM_CRASHED, Way.MAIL): False})
    crash(cast)
    delivery = due()
    if case == "disabled":
        User.objects.filter(pk=cast.viewer.pk).update(is_active=False)
    elif case == "left":
        membership_remove(project=cast.acme, user=cast.viewer, by=cast.owner)
    else:
        type(cast.acme).objects.filter(pk=cast.acme.pk).update(is_active=False)
    assert delivery_open(delivery) is None
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == (DROPPED, "not_known")


def test_staff_of_another_site_are_not_sent_what_waits(cast: Cast) -> None:
    event_record(
        kind=Kind.HOST_AWAY,
        target_type="hypervisor",
        target_id=cast.hypervisor_here.pk,
        target_label="hv-here",
        site=cast.here,
    )
    own = hook(cast, project=None, by=cast.staff_here, kinds=["host_away"])
    other = hook(cast, project=None, by=cast.staff_there, kinds=["host_away"])
    events_spread()
    assert Delivery.objects.filter(webhook=own).exists()
    assert not Delivery.objects.filter(webhook=other).exists()
    Site.objects.get(pk=cast.here.pk).staff.clear()
    opened = {delivery.user or delivery.webhook: delivery_open(delivery) for delivery in Delivery.objects.all()}
    assert opened[own] is None
    assert opened[cast.staff_here] is None
    assert opened[cast.superuser] is not None


@pytest.mark.parametrize("case", ["left", "demoted", "disabled", "off"])
def test_a_webhook_is_sent_nothing_once_nobody_answers_for_it(cast: Cast, case: str) -> None:
    membership_set(project=cast.acme, user=cast.operator, role=Role.OWNER, by=cast.owner)
    webhook = hook(cast)
    crash(cast)
    if case == "left":
        membership_remove(project=cast.acme, user=cast.owner, by=cast.operator)
    elif case == "demoted":
        membership_set(project=cast.acme, user=cast.owner, role=Role.VIEWER, by=cast.operator)
    elif case == "disabled":
        User.objects.filter(pk=cast.owner.pk).update(is_active=False)
    else:
        webhook_update(webhook=webhook, by=cast.operator, is_on=False)
    delivery = Delivery.objects.get(webhook=webhook)
    assert delivery_open(delivery) is None
    crash(cast)
    assert Delivery.objects.filter(webhook=webhook).count() == 1


def test_a_webhook_is_told_its_kinds_of_its_project_only(cast: Cast) -> None:
    webhook, other = hook(cast), hook(cast, project=cast.ottos, by=cast.outsider)
    crash(cast)
    fail_operation(cast)
    events_spread()
    assert [row.webhook for row in Delivery.objects.exclude(webhook=None)] == [webhook]
    assert not Delivery.objects.filter(webhook=other).exists()


def test_what_waits_for_one_webhook_is_bounded(cast: Cast) -> None:
    webhook = hook(cast)
    old = Event.objects.bulk_create(
        Event(kind=Kind.VM_CRASHED, target_id=cast.acme_vm.pk, spread_at=timezone.now()) for _ in range(MOST_WAITING)
    )
    Delivery.objects.bulk_create(Delivery(event=event, webhook=webhook) for event in old)
    event = crash(cast)
    delivery = Delivery.objects.get(webhook=webhook, event=event)
    assert (delivery.state, delivery.error) == (DROPPED, "too_many")


# ------------------------------------------------------------------------------------------------ Again, and given up


def test_it_is_tried_again_after_longer_and_longer_and_given_up(cast: Cast) -> None:
    webhook = hook(cast)
    webhook_test(webhook=webhook, by=cast.owner)
    for pause in PAUSES_SECONDS:
        delivery = due()
        delivery_end(delivery=delivery, outcome=Outcome(error="status", answer=500))
        delivery.refresh_from_db()
        assert (delivery.state, delivery.error, delivery.answer) == (WAITING, "status", 500)
        assert abs((delivery.next_at - timezone.now()).total_seconds() - pause) < 5
        assert delivery_claim(but=()) is None
    delivery = due()
    assert delivery.attempts == len(PAUSES_SECONDS) + 1
    delivery_end(delivery=delivery, outcome=Outcome(error="too_slow"))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error, delivery.ended_at is not None) == (GIVEN_UP, "too_slow", True)


def test_what_cannot_help_is_not_tried_again(cast: Cast) -> None:
    webhook_test(webhook=hook(cast), by=cast.owner)
    delivery = due()
    delivery_end(delivery=delivery, outcome=Outcome(error="address_refused", is_final=True))
    delivery.refresh_from_db()
    assert delivery.state == GIVEN_UP


def test_what_was_given_up_is_sent_again_when_asked(cast: Cast) -> None:
    hook(cast)
    crash(cast)
    delivery = Delivery.objects.get(webhook__isnull=False)
    with pytest.raises(NothingToSend):
        delivery_again(delivery=delivery, by=cast.owner)
    Delivery.objects.filter(webhook=None).delete()
    delivery_end(delivery=due(), outcome=Outcome(error="address_refused", is_final=True))
    with pytest.raises(NotAllowed):
        delivery_again(delivery=delivery, by=cast.operator)
    again = delivery_again(delivery=delivery, by=cast.owner)
    assert (again.pk, again.state, again.attempts, again.ended_at) == (delivery.pk, WAITING, 0, None)
    delivery_end(delivery=due(), outcome=Outcome(answer=204))
    with pytest.raises(NothingToSend):
        delivery_again(delivery=delivery, by=cast.owner)


def test_by_page_and_api_what_was_given_up_is_sent_again(cast: Cast) -> None:
    webhook = hook(cast)
    crash(cast)
    delivery = Delivery.objects.get(webhook=webhook)
    Delivery.objects.update(state=GIVEN_UP, error="too_slow", attempts=7)
    page = cast.pages(cast.owner)
    assert b"Send again" in page.get(f"/webhooks/{webhook.pk}/").content
    answer = page.post(f"/webhooks/{webhook.pk}/deliveries/{delivery.pk}/again/", follow=True)
    assert b"It is on its way again" in answer.content
    assert b"Send again" not in answer.content
    path = f"/api/v1/webhooks/{webhook.pk}/deliveries/{delivery.pk}/again"
    assert cast.api(cast.owner).post(path).json()["type"].endswith("nothing_to_send")
    Delivery.objects.update(state=DROPPED, error="not_known")
    assert cast.api(cast.owner).post(path).status_code == 202
    assert cast.api(cast.operator).post(path).status_code == 404


def test_a_killed_couriers_is_another_ones_after_the_lease(cast: Cast) -> None:
    webhook_test(webhook=hook(cast), by=cast.owner)
    first = delivery_claim(but=())
    assert first is not None
    assert delivery_claim(but=()) is None
    second = due()
    assert (second.pk, second.attempts) == (first.pk, 2)
    delivery_end(delivery=first, outcome=Outcome(error="status"))  # it was not killed, but slow
    second.refresh_from_db()
    assert (second.state, second.error) == (WAITING, "")
    delivery_end(delivery=second, outcome=Outcome(answer=200))
    second.refresh_from_db()
    assert (second.state, second.answer) == (SENT, 200)


def test_who_is_slow_holds_up_nobody_else(cast: Cast) -> None:
    slow, other = hook(cast), hook(cast, name="other")
    for _ in range(7):
        event = crash(cast)
    assert event
    Delivery.objects.filter(webhook=None).delete()
    Delivery.objects.filter(webhook=slow).update(next_at=timezone.now() - dt.timedelta(hours=1))
    first = delivery_claim(but=())
    assert first is not None
    assert first.webhook_id == slow.pk
    second = delivery_claim(but=(slow.pk,))
    assert second is not None
    assert second.webhook_id == other.pk


@pytest.mark.django_db(transaction=True)
def test_of_many_couriers_one_has_each(cast: Cast) -> None:
    hooks = [hook(cast, name=f"hook {number}") for number in range(5)]
    crash(cast)
    total = Delivery.objects.count()
    assert total == len(hooks) + 3
    claimed: list[Any] = []

    def claim() -> None:
        try:
            while (delivery := delivery_claim(but=())) is not None:
                claimed.append(delivery.pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while (delivery := delivery_claim(but=())) is not None:  # what two wanted at the same moment, and neither took
        claimed.append(delivery.pk)
    assert len(claimed) == len(set(claimed)) == total


def test_a_secret_that_cannot_be_read_is_said(cast: Cast, settings: Any) -> None:
    webhook_test(webhook=hook(cast), by=cast.owner)
    settings.SECRET_KEY = "another" * 10
    delivery = due()
    assert delivery_open(delivery) is None
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == (DROPPED, "broken")


def test_old_ones_are_swept(cast: Cast, settings: Any) -> None:
    old, new, waiting = crash(cast), crash(cast), crash(cast)
    long_ago = timezone.now() - dt.timedelta(days=settings.NOTIFICATION_DAYS + 1)
    Event.objects.filter(pk__in=(old.pk, waiting.pk)).update(at=long_ago)
    Event.objects.filter(pk=waiting.pk).update(spread_at=None)
    assert events_sweep() == 1
    assert set(Event.objects.all()) == {new, waiting}
    assert not Delivery.objects.filter(event=old.pk).exists()


# ------------------------------------------------------------------------------------------------ What is sent


def test_a_mail_in_words(cast: Cast) -> None:
    cast.acme_vm.name = "web\nBcc: all@example.org " + "x" * 200
    crash(cast)
    letter = delivery_open(Delivery.objects.get(user=cast.owner))
    assert isinstance(letter, Letter)
    assert letter.address == "olivia@acme.example"
    assert letter.subject.startswith("[Eve] web Bcc: all@example.org xxx")
    assert "\n" not in letter.subject
    assert len(letter.subject) < 160
    assert f"http://127.0.0.1:8000/vms/{cast.acme_vm.pk}/" in letter.text
    assert "Project: Acme" in letter.text
    assert "http://127.0.0.1:8000/notifications/choices/" in letter.text


def test_a_post_in_figures(cast: Cast) -> None:
    hook(cast)
    event = crash(cast)
    sent = delivery_open(Delivery.objects.get(webhook__name="chat"))
    assert isinstance(sent, Post)
    body = json.loads(sent.body)
    assert (body["type"], body["data"]["event"]) == ("vm_crashed", str(event.pk))
    assert body["data"]["project"] == {"id": str(cast.acme.pk), "name": "Acme"}
    assert body["data"]["target"] == {"type": "vm", "id": str(cast.acme_vm.pk), "name": "acme-web"}
    assert body["data"]["title"] == "acme-web has crashed"


def test_every_kind_has_a_beginning(cast: Cast) -> None:
    assert set(BEGINS_ON) == set(Kind) - {Kind.TEST}


@pytest.mark.django_db(transaction=True)
def test_from_a_failure_to_the_mail_server_and_the_webhook(cast: Cast, smtp: Mails, receiver: Receiver) -> None:
    choices_set(user=cast.viewer, project=cast.acme, wanted={(Kind.OPERATION_FAILED, Way.MAIL): True})
    webhook = hook(cast, receiver.url, kinds=["operation_failed"])
    fail_operation(cast)
    settle()
    letter = smtp.wait_for("vera@acme.example")
    assert letter["Subject"] == "[Eve] Starting acme-web failed"
    assert "The disk is full." in letter.get_content()
    assert {row.state for row in Delivery.objects.all()} == {SENT}
    delivery = Delivery.objects.get(user=cast.viewer)
    assert letter["Message-ID"] == f"<{delivery.pk}@localhost>"
    assert len(smtp.kept) == 1
    headers, body = receiver.got[0]
    assert headers["webhook-id"] == str(Delivery.objects.get(webhook=webhook).pk)
    assert json.loads(body)["data"]["text"] == "The disk is full."
    settle()
    assert (len(smtp.kept), len(receiver.got)) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_the_id_is_the_same_at_each_try(cast: Cast, receiver: Receiver) -> None:
    receiver.behaviour = "error"
    webhook_test(webhook=hook(cast, receiver.url), by=cast.owner)
    for behaviour in ("redirect", "ok", "ok"):
        settle()
        receiver.behaviour = behaviour
        Delivery.objects.update(next_at=timezone.now())
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len({body for _, body in receiver.got}) == 1
    assert len(receiver.got) == 3
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.answer) == (SENT, 3, 204)


@pytest.mark.django_db(transaction=True)
def test_a_mail_server_that_is_away_is_tried_again(cast: Cast, settings: Any, monkeypatch: Any) -> None:
    Membership.objects.filter(project=cast.acme).exclude(user=cast.owner).delete()
    mail.outbox = []
    crash(cast)

    def away(*_: Any, **__: Any) -> None:
        raise smtplib.SMTPServerDisconnected("secret words")

    with monkeypatch.context() as patch:
        patch.setattr("notifications.sending.mailing.EmailMessage.send", away)
        settle()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error, delivery.attempts) == (WAITING, "mail", 1)
    Delivery.objects.update(next_at=timezone.now())
    settle()
    delivery.refresh_from_db()
    assert delivery.state == SENT
    assert [letter.to for letter in mail.outbox] == [["olivia@acme.example"]]


@pytest.mark.django_db(transaction=True)
def test_a_courier_that_is_told_to_stop_leaves_what_hangs(cast: Cast, receiver: Receiver, monkeypatch: Any) -> None:
    monkeypatch.setattr(courier, "STOP_SECONDS", 0.2)
    receiver.behaviour = "hang"
    webhook_test(webhook=hook(cast, receiver.url), by=cast.owner)

    async def work() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(courier.deliver_forever(stop))
        await asyncio.to_thread(receiver.wait_until, lambda: receiver.got)
        stop.set()
        await asyncio.wait_for(task, 8)

    async_to_sync(work)()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == (WAITING, 1)
