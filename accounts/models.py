"""Users, projects and roles, login tokens, second factors, SSH keys, login throttling, audit events."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

from common.sentences import gettext_lazy as _

from .fields import LowerEmailField
from .managers import UserManager


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in, by e-mail address (case-insensitively unique)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = LowerEmailField(
        _("e-mail address"),
        unique=True,
        error_messages={"unique": _("A user with this e-mail address exists already.")},
    )
    name = models.CharField(_("name"), max_length=150)
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Untick to disable the user at once, everywhere.")
    )
    is_staff = models.BooleanField(_("staff"), default=False, help_text=_("May use the staff interface."))
    is_site_limited = models.BooleanField(
        _("limited to sites"),
        default=False,
        help_text=_("A staff member who sees only the sites assigned to them. Superusers are never limited."),
    )
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    """Part of what every login session is checked against: raising it signs the user out everywhere."""
    remarks = models.TextField(_("remarks"), blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering = ["email"]

    def __str__(self) -> str:
        return self.email

    def get_session_auth_hash(self) -> str:
        """What a login session must carry to stay valid: it changes with the password and with :attr:`session_epoch`."""
        return salted_hmac(
            "accounts.User.session", f"{self.password}.{self.session_epoch}", algorithm="sha256"
        ).hexdigest()


class Role(models.TextChoices):
    """What a member may do in a project; each may do all that the ones below may."""

    OWNER = "owner", _("owner")
    OPERATOR = "operator", _("operator")
    VIEWER = "viewer", _("viewer")


class Project(models.Model):
    """Who owns virtual machines: a group of users with roles. Every user has a personal one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=150)
    personal_owner = models.OneToOneField(
        User,
        verbose_name=_("personal project of"),
        on_delete=models.PROTECT,
        related_name="personal_project",
        null=True,
        blank=True,
        editable=False,
    )
    is_active = models.BooleanField(_("active"), default=True)
    remarks = models.TextField(_("remarks"), blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user's role in a project."""

    project = models.ForeignKey(
        Project, verbose_name=_("project"), on_delete=models.CASCADE, related_name="memberships"
    )
    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(_("role"), max_length=10, choices=Role)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(
                fields=["project", "user"],
                name="membership_unique",
                violation_error_message=_("This user is a member of the project already."),
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.role} · {self.project}"


class Invitation(models.Model):
    """An e-mail address without an account that a project waits for; only the digest of its link is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(
        Project, verbose_name=_("project"), on_delete=models.CASCADE, related_name="invitations"
    )
    email = LowerEmailField(_("e-mail address"))
    role = models.CharField(_("role"), max_length=10, choices=Role)
    invited_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    """Who owned the project then; with their ownership their invitations go."""
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("invited"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("ends"), db_index=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["email", "id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "email"], name="invitation_unique"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="invitation_role_known"),
        ]

    def __str__(self) -> str:
        return self.email


class SshKey(models.Model):
    """A public SSH key of a user, for the virtual machines that they make."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="ssh_keys")
    name = models.CharField(_("name"), max_length=100)
    line = models.TextField(_("public key"))
    """As it stands in ``authorized_keys``."""
    fingerprint = models.CharField(_("fingerprint"), max_length=60, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("SSH key")
        verbose_name_plural = _("SSH keys")
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "fingerprint"], name="ssh_key_unique")]

    def __str__(self) -> str:
        return self.name


class LoginToken(models.Model):
    """An opaque API token; only its digest is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="login_tokens")
    name = models.CharField(_("name"), max_length=100, blank=True)
    public = models.CharField(_("public part"), max_length=16, unique=True)
    digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"), db_index=True)

    class Meta:
        verbose_name = _("login token")
        verbose_name_plural = _("login tokens")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name or self.public


class LoginSession(models.Model):
    """A browser that is signed in: what its user sees of it. What it may is Django's session's affair."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="login_sessions")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    """:func:`accounts.sessions.session_digest` of its key."""
    address = models.GenericIPAddressField(_("from"), null=True, blank=True)
    agent = models.CharField(_("browser"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("signed in"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("login session")
        verbose_name_plural = _("login sessions")
        ordering = ["-last_used_at", "id"]

    def __str__(self) -> str:
        return self.address or str(self.pk)


class FactorKind(models.TextChoices):
    """What proves, beside the password, who signs in."""

    TOTP = "totp", _("authenticator app")
    PASSKEY = "passkey", _("passkey")
    RECOVERY = "recovery", _("recovery code")


class TotpDevice(models.Model):
    """A user's authenticator app, once a code of it was seen."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="totp_device", primary_key=True)
    sealed_secret = models.TextField(editable=False)
    """Encrypted (:mod:`common.sealing`)."""
    last_step = models.BigIntegerField(editable=False)
    """The newest step a code of which was taken: it and all before it are worth nothing any more."""
    created_at = models.DateTimeField(_("added"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    def __str__(self) -> str:
        return str(FactorKind.TOTP.label)


class Passkey(models.Model):
    """A passkey or security key of a user's; only its public half is here."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(_("name"), max_length=100)
    credential = models.BinaryField()
    """Its id and public key, as the authenticator encodes them."""
    credential_digest = models.CharField(max_length=64, unique=True, editable=False)
    """SHA-256 of its id, in hexadecimal digits."""
    sign_count = models.PositiveBigIntegerField(default=0, editable=False)
    """The authenticator's own count at its last use; one that does not grow is a copy's. 0 where it does not count."""
    created_at = models.DateTimeField(_("added"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name


class RecoveryCode(models.Model):
    """A code that signs in once without phone or passkey; the row goes with its use."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_unique")]

    def __str__(self) -> str:
        return str(FactorKind.RECOVERY.label)


class AttemptCounter(models.Model):
    """How often something was tried in the current window; see :mod:`accounts.throttle`."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField(default=0)
    is_refusal_seen = models.BooleanField(default=False)
    """Whether an attempt was refused in this window: only the first is audited, or a flood would fill the audit."""
    window_started_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return self.key


class KnownAddress(models.Model):
    """An address from which a user has signed in: somebody else's guesses do not lock them out there."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_addresses")
    network = models.CharField(max_length=50)
    last_login_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "network"], name="known_address_unique")]

    def __str__(self) -> str:
        return self.network


class AuditOutcome(models.TextChoices):
    """How an audited action ended."""

    SUCCESS = "success", _("success")
    FAILURE = "failure", _("failure")
    DENIED = "denied", _("denied")


class AuditEvent(models.Model):
    """Who did what, on what, from where, and how it ended. Never changed, never holds a secret."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(_("time"), default=timezone.now, db_index=True)
    actor = models.ForeignKey(
        User, verbose_name=_("who"), on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_label = models.CharField(_("who, as it was called then"), max_length=254, blank=True)
    action = models.CharField(
        _("action"), max_length=50, db_index=True, help_text=_("Such as login, token.create, vm.start, console.open.")
    )
    target_type = models.CharField(_("kind of target"), max_length=30, blank=True)
    target_id = models.CharField(_("target"), max_length=36, blank=True, db_index=True)
    target_label = models.CharField(_("target, as it was called then"), max_length=254, blank=True)
    project = models.ForeignKey(
        Project, verbose_name=_("project"), on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    site_uuid = models.UUIDField(_("site"), null=True, blank=True, editable=False)
    """Of the site where the target lay then: both may be gone since, and the site's staff still read what was done there."""
    address = models.GenericIPAddressField(_("from"), null=True, blank=True)
    request_id = models.CharField(_("request"), max_length=36, blank=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=AuditOutcome, default=AuditOutcome.SUCCESS)
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ["-at", "id"]
        indexes = [models.Index(fields=["site_uuid", "-at"])]

    def __str__(self) -> str:
        return f"{self.action} · {self.target_label or self.target_id}"
