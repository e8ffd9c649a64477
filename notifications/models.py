"""What happened (the outbox), whom it was told, and what waits to be sent."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from common.sentences import gettext_lazy as _


class Kind(models.TextChoices):
    """What people can be told of."""

    OPERATION_FAILED = "operation_failed", _("An operation failed")
    VM_CRASHED = "vm_crashed", _("A virtual machine crashed")
    QUOTA_NEAR = "quota_near", _("A project's quota is nearly used up")
    HOST_AWAY = "host_away", _("A host does not answer, or answers again")
    CERTIFICATE_ENDS = "certificate_ends", _("A host's certificate ends soon")
    TEST = "test", _("A test")


PROJECT_KINDS = (Kind.OPERATION_FAILED, Kind.VM_CRASHED, Kind.QUOTA_NEAR)
"""For the members of a project."""
HOST_KINDS = (Kind.HOST_AWAY, Kind.CERTIFICATE_ENDS)
"""For the staff of a site."""


class Way(models.TextChoices):
    """How somebody is told."""

    PAGE = "page", _("in Eve")
    MAIL = "mail", _("by mail")


class Event(models.Model):
    """Something that happened: written in the transaction of what it tells, spread to people afterwards."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, null=True, related_name="+")
    """Whose members it concerns."""
    site = models.ForeignKey("hypervisors.Site", on_delete=models.CASCADE, null=True, related_name="+")
    """Whose staff it concerns."""
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    """Whom alone it concerns, where there is neither project nor site."""
    is_over = models.BooleanField(default=False)
    """Whether it tells that something has ended that an earlier one told of."""
    target_type = models.CharField(max_length=30)
    target_id = models.UUIDField()
    target_label = models.CharField(max_length=254)
    detail = models.JSONField(default=dict)
    """What the words need besides; never a secret."""
    spread_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        ordering = ["-at", "id"]

    def __str__(self) -> str:
        return f"{self.kind} · {self.target_label}"


class Notice(models.Model):
    """An event in somebody's list."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="notices")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-at", "id"]
        indexes = [
            models.Index(fields=["user", "-at"]),
            models.Index(fields=["user"], condition=models.Q(read_at=None), name="notice_unread"),
        ]
        constraints = [models.UniqueConstraint(fields=["event", "user"], name="notice_unique")]

    def __str__(self) -> str:
        return str(self.event_id)


class Choice(models.Model):
    """That somebody wants, or does not want, to be told of a kind by a way; without a row it is as Eve begins with."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, null=True, related_name="+")
    """The project that it is for; None: all that have no choice of their own, and hosts."""
    kind = models.CharField(max_length=20, choices=Kind)
    way = models.CharField(max_length=10, choices=Way)
    is_on = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "project", "kind", "way"], name="choice_of_project_unique"),
            models.UniqueConstraint(
                fields=["user", "kind", "way"], condition=models.Q(project=None), name="choice_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} · {self.way} · {self.is_on}"


class Webhook(models.Model):
    """An address that is sent events: a project's, or (without one) a staff member's own, for the hosts that they look after."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, null=True, related_name="+")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    """Who answers for it. It is sent what they may know: nothing any more once they do not own the project."""
    name = models.CharField(_("name"), max_length=100)
    url = models.CharField(_("address"), max_length=2000)
    kinds = models.JSONField(default=list)
    sealed_secret = models.TextField(editable=False)
    """Encrypted (:mod:`common.sealing`): it signs what is sent."""
    is_on = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class DeliveryState(models.TextChoices):
    """Where a delivery stands."""

    WAITING = "waiting", _("waiting")
    SENT = "sent", _("sent")
    GIVEN_UP = "given_up", _("given up")
    DROPPED = "dropped", _("not sent")
    """Its receiver may not know it any more, does not want it, or has too much waiting."""


class Delivery(models.Model):
    """An event on its way to one person by mail, or to one webhook. Its id is the same at each try."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, null=True, related_name="deliveries")
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now)
    """When it is tried next; while it is being tried, when another process may take it over."""
    answer = models.PositiveSmallIntegerField(null=True)
    """The HTTP status of a webhook's last answer."""
    error = models.CharField(max_length=30, blank=True)
    """Why it did not go well, as a code: :data:`notifications.words.ERRORS`."""
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "id"]
        indexes = [models.Index(fields=["state", "next_at"]), models.Index(fields=["webhook", "-created_at"])]
        constraints = [
            models.UniqueConstraint(fields=["event", "user"], name="delivery_of_user_unique"),
            models.UniqueConstraint(fields=["event", "webhook"], name="delivery_of_webhook_unique"),
            models.CheckConstraint(
                condition=models.Q(user=None) ^ models.Q(webhook=None), name="delivery_one_receiver"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} · {self.state}"


class Condition(models.Model):
    """What lasts: that a host is away, a machine crashed, a quota nearly used up. It keeps the same from being told again and again."""

    kind = models.CharField(max_length=20, choices=Kind)
    target_id = models.UUIDField()
    part = models.CharField(max_length=30, blank=True)
    """Which of several of one target, such as one of a project's limits."""
    is_bad = models.BooleanField(default=True)
    bad_since = models.DateTimeField()
    """When it began, short breaks included."""
    good_since = models.DateTimeField(null=True)
    is_told = models.BooleanField(default=False)
    level = models.PositiveSmallIntegerField(default=0)
    """How bad, where that is a number; the highest that was told."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "target_id", "part"], name="condition_unique")]

    def __str__(self) -> str:
        return f"{self.kind} · {self.target_id}"
