"""Console tickets, console sessions, guest links, and pictures of screens."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import LoginToken, Project
from common.sentences import gettext_lazy as _
from vms.models import Vm


class ConsoleMode(models.TextChoices):
    """What a viewer may do (as eve_agent.wire.console.ConsoleMode)."""

    CONTROL = "control", _("control")
    VIEW = "view", _("view only")


class ConsoleKind(models.TextChoices):
    """Which console (as eve_agent.wire.console.ConsoleKind)."""

    VNC = "vnc", _("screen")
    SERIAL = "serial", _("serial")


class GuestLink(models.Model):
    """A link by which people without an account see, or use, one VM's screen; only the digest of its secret is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vm = models.ForeignKey(Vm, verbose_name=_("virtual machine"), on_delete=models.CASCADE, related_name="guest_links")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("made by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    label = models.CharField(_("for"), max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    mode = models.CharField(_("mode"), max_length=10, choices=ConsoleMode, default=ConsoleMode.VIEW)
    created_at = models.DateTimeField(_("made"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    uses = models.PositiveIntegerField(_("uses"), default=0)
    """How often somebody gave a name at it."""

    class Meta:
        verbose_name = _("guest link")
        verbose_name_plural = _("guest links")
        ordering = ["-created_at", "id"]

    def __str__(self) -> str:
        return self.label or str(self.pk)[:8]


class Typing(models.Model):
    """A text that a VM's host types at its keyboard: who had it begin, never what it is. Gone once it has ended."""

    id = models.UUIDField(primary_key=True, editable=False)
    """The agent's :class:`eve_agent.wire.typing.TextToType` has the same."""
    vm = models.ForeignKey(Vm, on_delete=models.CASCADE, related_name="typings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    token = models.ForeignKey(LoginToken, on_delete=models.SET_NULL, null=True, related_name="+")
    """What it began with: it ends with that, as a console does."""
    session_digest = models.CharField(max_length=64, blank=True)
    ends_at = models.DateTimeField()
    """When it will have ended by itself, at the latest."""

    class Meta:
        verbose_name = _("typing")
        verbose_name_plural = _("typings")
        ordering = ["ends_at"]

    def __str__(self) -> str:
        return str(self.pk)


class ConsoleSession(models.Model):
    """The record of one viewer at one console: it outlives the connection, and the VM."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vm = models.ForeignKey(
        Vm, verbose_name=_("virtual machine"), on_delete=models.SET_NULL, null=True, related_name="console_sessions"
    )
    vm_uuid = models.UUIDField(_("VM's UUID"), db_index=True)
    vm_name = models.CharField(_("VM's name"), max_length=255)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        on_delete=models.SET_NULL,
        null=True,
        related_name="console_sessions",
    )
    user_label = models.CharField(_("who, as it was called then"), max_length=254)
    session_digest = models.CharField(max_length=64, blank=True, editable=False)
    """Of the login session that opened it; empty for a token's."""
    token = models.ForeignKey(LoginToken, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    link = models.ForeignKey(
        GuestLink, on_delete=models.SET_NULL, null=True, blank=True, related_name="console_sessions"
    )
    """Of a guest, who has no user."""
    kind = models.CharField(_("kind"), max_length=10, choices=ConsoleKind, default=ConsoleKind.VNC)
    mode = models.CharField(_("mode"), max_length=10, choices=ConsoleMode, default=ConsoleMode.VIEW)
    address = models.GenericIPAddressField(_("from"), null=True, blank=True)
    request_id = models.CharField(max_length=36, blank=True)
    """Of the websocket that serves it; of a resumed session: the newest. What an older one says does not count."""
    started_at = models.DateTimeField(_("started"), default=timezone.now, db_index=True)
    seen_at = models.DateTimeField(default=timezone.now)
    """Refreshed while it is live, so that one whose process was killed can be told and closed."""
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    close_code = models.PositiveSmallIntegerField(_("close code"), null=True, blank=True)
    """:class:`eve_agent.wire.close.CloseCode`."""
    end_reason = models.CharField(_("why it ended"), max_length=200, blank=True)
    bytes_to_viewer = models.PositiveBigIntegerField(_("bytes to the viewer"), default=0)
    bytes_from_viewer = models.PositiveBigIntegerField(_("bytes from the viewer"), default=0)

    class Meta:
        verbose_name = _("console session")
        verbose_name_plural = _("console sessions")
        ordering = ["-started_at", "id"]
        indexes = [
            models.Index(fields=["vm_uuid", "ended_at"]),
            models.Index(fields=["user", "ended_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.user_label} · {self.vm_name}"


class ConsoleTicket(models.Model):
    """A one-use key to one console, for 30 seconds; only its digest is kept."""

    digest = models.CharField(max_length=64, primary_key=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="console_tickets"
    )
    link = models.ForeignKey(GuestLink, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    """A guest's: then there is no user, and it needs the visitor's session."""
    token = models.ForeignKey(LoginToken, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    """The login token that asked for it; else it needs the login session's cookie."""
    session_digest = models.CharField(max_length=64, blank=True)
    vm = models.ForeignKey(Vm, on_delete=models.CASCADE, related_name="console_tickets")
    kind = models.CharField(max_length=10, choices=ConsoleKind, default=ConsoleKind.VNC)
    mode = models.CharField(max_length=10, choices=ConsoleMode, default=ConsoleMode.VIEW)
    is_forced = models.BooleanField(default=False)
    """Take a serial line from who holds it."""
    session_id = models.UUIDField(default=uuid.uuid4)
    """The console session that it will open, or resume."""
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, link=None) | models.Q(user=None, link__isnull=False),
                name="console_ticket_of_user_or_guest",
            )
        ]

    def __str__(self) -> str:
        return self.digest[:12]


class ScreenshotKind(models.TextChoices):
    """Why a picture of a screen was taken."""

    BOOT = "boot", _("start")
    CRASH = "crash", _("crash")
    WATCHDOG = "watchdog", _("watchdog")
    MANUAL = "manual", _("kept by hand")


class Screenshot(models.Model):
    """A picture of a VM's screen on its time line: Eve's own encoding, never the host's bytes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vm = models.ForeignKey(Vm, verbose_name=_("virtual machine"), on_delete=models.CASCADE, related_name="screenshots")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    """Whose the VM was then: another project that gets it later does not see what was on its screen."""
    kind = models.CharField(_("taken at"), max_length=10, choices=ScreenshotKind)
    taken_at = models.DateTimeField(_("taken"), default=timezone.now)
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    size_bytes = models.PositiveIntegerField(_("size in bytes"))
    """Of both pictures together."""
    png = models.BinaryField()
    thumbnail = models.BinaryField()
    """The same, small, as PNG."""

    class Meta:
        verbose_name = _("screenshot")
        verbose_name_plural = _("screenshots")
        ordering = ["-taken_at", "id"]
        indexes = [models.Index(fields=["vm", "-taken_at"])]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.taken_at:%Y-%m-%d %H:%M:%S}"


class DueScreenshot(models.Model):
    """A picture that is to be taken; whichever process claims it takes it."""

    vm = models.ForeignKey(Vm, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=ScreenshotKind)
    due_at = models.DateTimeField(db_index=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    """By then it is taken, or who claimed it has gone."""

    class Meta:
        ordering = ["due_at", "id"]

    def __str__(self) -> str:
        return f"{self.kind} · {self.due_at}"
