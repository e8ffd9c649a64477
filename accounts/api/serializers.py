"""What the API says of accounts."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.browsers import browser_words
from accounts.models import (
    AuditEvent,
    FactorKind,
    Invitation,
    LoginSession,
    LoginToken,
    Membership,
    Project,
    Role,
    SshKey,
    User,
)
from accounts.selectors import second_factors_of
from accounts.services.tokens import LEAST_TTL_SECONDS, MOST_TTL_SECONDS
from common.serializers import StrictSerializer


class LoginSerializer(StrictSerializer):
    """Who signs in."""

    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=4096, trim_whitespace=False, write_only=True)
    code = serializers.CharField(
        max_length=40,
        required=False,
        default="",
        allow_blank=True,
        write_only=True,
        help_text="Of the authenticator app, or a recovery code; only where the account has a second factor.",
    )
    name = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    ttl_seconds = serializers.IntegerField(
        min_value=LEAST_TTL_SECONDS, max_value=MOST_TTL_SECONDS, required=False, allow_null=True, default=None
    )


class LoginAnswerSerializer(serializers.Serializer[Any]):
    """The token, shown this once."""

    token = serializers.CharField()
    expiry = serializers.DateTimeField()


class LogoutSerializer(StrictSerializer):
    """How far to sign out."""

    all = serializers.BooleanField(default=False, help_text="Every token and every login session of the user.")


class TokenSerializer(serializers.ModelSerializer[LoginToken]):
    """A login token, without its secret."""

    class Meta:
        model = LoginToken
        fields = ["id", "name", "public", "created_at", "last_used_at", "expires_at"]
        read_only_fields = fields


class LoginSessionSerializer(serializers.ModelSerializer[LoginSession]):
    """A browser that is signed in."""

    browser = serializers.SerializerMethodField()

    class Meta:
        model = LoginSession
        fields = ["id", "browser", "address", "created_at", "last_used_at"]
        read_only_fields = fields

    def get_browser(self, session: LoginSession) -> str:
        """What the browser calls itself."""
        return browser_words(session.agent)


class SshKeySerializer(serializers.ModelSerializer[SshKey]):
    """A public SSH key."""

    class Meta:
        model = SshKey
        fields = ["id", "name", "line", "fingerprint", "created_at"]
        read_only_fields = fields


class SshKeyAddSerializer(StrictSerializer):
    """A public SSH key to be kept."""

    line = serializers.CharField(max_length=20_000, help_text="Such as: ssh-ed25519 AAAA… olivia@desk")
    name = serializers.CharField(
        max_length=100, required=False, default="", allow_blank=True, help_text="Else the key's comment."
    )


class UserSerializer(StrictSerializer, serializers.ModelSerializer[User]):
    """A user, as staff of every site see one."""

    email = serializers.EmailField(max_length=254)

    class Meta:
        model = User
        fields = [
            "id",
            "email",
            "name",
            "is_active",
            "is_staff",
            "is_superuser",
            "is_site_limited",
            "remarks",
            "created_at",
            "last_login",
        ]
        read_only_fields = ["id", "created_at", "last_login"]


class PasswordLinkSerializer(serializers.Serializer[Any]):
    """A one-use link to set a password, to be handed over; shown this once."""

    url = serializers.URLField()
    expires_in_seconds = serializers.IntegerField()


class MyProjectSerializer(serializers.Serializer[Any]):
    """A project of the caller's."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.choices)


class MeSerializer(serializers.ModelSerializer[User]):
    """The caller."""

    projects = serializers.SerializerMethodField()
    second_factors = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = [
            "id",
            "email",
            "name",
            "is_staff",
            "is_superuser",
            "is_site_limited",
            "last_login",
            "second_factors",
            "projects",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=FactorKind.choices)))
    def get_second_factors(self, user: User) -> list[str]:
        """What the caller signs in with beside the password."""
        return [kind.value for kind in second_factors_of(user)]

    @extend_schema_field(MyProjectSerializer(many=True))
    def get_projects(self, user: User) -> list[dict[str, Any]]:
        """The caller's projects and role in each."""
        memberships = (
            user.memberships.filter(project__is_active=True).select_related("project").order_by("project__name")
        )
        return [{"id": str(m.project_id), "name": m.project.name, "role": m.role} for m in memberships]


class MeChangeSerializer(StrictSerializer):
    """What users change of themselves."""

    name = serializers.CharField(max_length=150)


class ProjectSerializer(StrictSerializer, serializers.ModelSerializer[Project]):
    """A project."""

    is_personal = serializers.SerializerMethodField()

    class Meta:
        model = Project
        fields = ["id", "name", "is_personal", "is_active", "remarks", "created_at"]
        read_only_fields = ["id", "created_at"]

    def get_is_personal(self, project: Project) -> bool:
        """Whether it is somebody's own."""
        return project.personal_owner_id is not None


class MemberSerializer(StrictSerializer, serializers.ModelSerializer[Membership]):
    """Who is in a project."""

    user = serializers.UUIDField(source="user_id", read_only=True)
    email = serializers.EmailField(source="user.email", read_only=True)
    name = serializers.CharField(source="user.name", read_only=True)

    class Meta:
        model = Membership
        fields = ["user", "email", "name", "role", "created_at"]
        read_only_fields = ["created_at"]


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """An address without an account that a project waits for."""

    class Meta:
        model = Invitation
        fields = ["id", "email", "role", "created_at", "expires_at"]
        read_only_fields = fields


class MemberAddSerializer(StrictSerializer):
    """Who shall be in a project."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=Role.choices)


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    """Who did what."""

    actor = serializers.CharField(source="actor_label", read_only=True)

    class Meta:
        model = AuditEvent
        fields = [
            "id",
            "at",
            "actor",
            "action",
            "target_type",
            "target_id",
            "target_label",
            "project",
            "address",
            "request_id",
            "outcome",
            "detail",
        ]
        read_only_fields = fields
