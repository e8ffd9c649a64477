"""Long work."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from common.sentences import gettext_lazy as _


class OperationState(models.TextChoices):
    """Where an operation stands."""

    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    CANCELLING = "cancelling", _("being cancelled")
    SUCCEEDED = "succeeded", _("done")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


ACTIVE_STATES = (OperationState.QUEUED, OperationState.RUNNING, OperationState.CANCELLING)
"""Of operations that are not over; a target has at most one of them."""
FOR_STAFF = "for_staff"
"""Member of an operation's error that has a host's own words: shown to staff only."""
CLAIMED_STATES = (OperationState.RUNNING, OperationState.CANCELLING)
"""Of operations that a worker has, or had when it was killed."""


class Operation(models.Model):
    """A change that may take longer than a request: who wanted what of which target, and how it went."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=50, help_text=_("Such as vm.start."))
    target_type = models.CharField(_("kind of target"), max_length=30)
    target_id = models.UUIDField(_("target"), db_index=True)
    target_label = models.CharField(_("target's name"), max_length=254)
    project = models.ForeignKey(
        "accounts.Project", verbose_name=_("project"), on_delete=models.SET_NULL, null=True, related_name="operations"
    )
    site_uuid = models.UUIDField(_("site"), null=True, blank=True, editable=False, db_index=True)
    """Of the site where the target lies or, once it is gone, lay."""
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    arguments = models.JSONField(default=dict, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=OperationState, default=OperationState.QUEUED)
    can_cancel = models.BooleanField(_("can be cancelled"), default=False, editable=False)
    progress = models.PositiveSmallIntegerField(_("progress"), default=0, editable=False)
    """In percent, 0 to 100."""
    phase = models.CharField(_("phase"), max_length=200, blank=True, editable=False)
    """What is being done just now, for a person."""
    result = models.JSONField(_("result"), null=True, blank=True, editable=False)
    """What came of it, for programs; depends on the kind."""
    error = models.JSONField(_("error"), null=True, blank=True)
    """Problem details (RFC 9457) of a failed operation; while it is being undone, of the failure that is to come."""
    is_undoing = models.BooleanField(default=False, editable=False)
    """Whether what was begun is being taken back. It stays active until that is done."""
    address = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=36, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    """How often a worker began it: more than once only after a worker was killed."""
    worker = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    """Until then its worker has it; afterwards another may take it over."""
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        ordering = ["-created_at", "id"]
        indexes = [
            models.Index(fields=["state", "created_at"]),
            models.Index(fields=["target_type", "target_id", "-created_at"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["target_type", "target_id"],
                condition=models.Q(state__in=["queued", "running", "cancelling"]),
                name="operation_one_at_a_time",
                violation_error_message=_("Another change of this is under way."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} · {self.target_label}"

    @property
    def api_path(self) -> str:
        """Where the API tells how it goes."""
        return f"/api/v1/operations/{self.pk}"

    @property
    def is_active(self) -> bool:
        """Whether it is not over."""
        return self.state in ACTIVE_STATES

    @property
    def is_cancellable(self) -> bool:
        """Whether somebody who may could ask for its end now."""
        is_wanted = self.is_active and self.state != OperationState.CANCELLING and not self.is_undoing
        return is_wanted and self.can_cancel


class IdempotencyKey(models.Model):
    """A caller's name for one request, so that a retry gets the operation that the first try made.

    Source: draft-ietf-httpapi-idempotency-key-header.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    """Keyed digest of what was asked, in hexadecimal: :func:`operations.idempotency.request_digest`."""
    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_unique")]

    def __str__(self) -> str:
        return self.key
