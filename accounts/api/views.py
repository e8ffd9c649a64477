"""Signing in and out, oneself, tokens, the audit."""

from __future__ import annotations

import uuid
from typing import Any

import django_filters
from django.contrib.auth import logout
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.errors import SecondFactorMissing, SecondFactorRequired
from accounts.models import AuditEvent, FactorKind, LoginSession, LoginToken, SshKey, User
from accounts.selectors import (
    audit_events_for,
    login_sessions_for,
    second_factor_is_due,
    second_factors_of,
    ssh_keys_for,
    tokens_for,
)
from accounts.services import (
    code_check,
    login_check,
    login_end,
    login_remember,
    login_session_end,
    logout_everywhere,
    ssh_key_add,
    ssh_key_remove,
    token_create,
    token_revoke,
    tokens_revoke,
    user_update,
)

from .serializers import (
    AuditEventSerializer,
    LoginAnswerSerializer,
    LoginSerializer,
    LoginSessionSerializer,
    LogoutSerializer,
    MeChangeSerializer,
    MeSerializer,
    SshKeyAddSerializer,
    SshKeySerializer,
    TokenSerializer,
)

_SIGNED_OUT = {204: OpenApiResponse(description="Signed out; open consoles end within seconds.")}


class LoginView(APIView):
    """E-mail address and password for a token."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    @extend_schema(operation_id="login", request=LoginSerializer, responses={200: LoginAnswerSerializer}, auth=[])
    def post(self, request: Request) -> Response:
        """Signs in: a login token for `Authorization: Bearer`, shown this once.

        Where the account has a second factor, `code` has to come with it: without one the answer is 401
        `second_factor_required`.
        """
        wanted = LoginSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = login_check(email=wanted.validated_data["email"], password=wanted.validated_data["password"])
        second = _second_factor(user, wanted.validated_data["code"])
        text, token = token_create(
            user=user, name=wanted.validated_data["name"], ttl_seconds=wanted.validated_data["ttl_seconds"]
        )
        login_remember(user=user, how="token", second=second)
        answer = LoginAnswerSerializer({"token": text, "expiry": token.expires_at})
        return Response(answer.data, headers={"Cache-Control": "no-store"})


def _second_factor(user: User, code: str) -> FactorKind | None:
    """The second factor of a sign-in that has to have one; None where none is set up."""
    if second_factor_is_due(user):
        raise SecondFactorMissing
    kinds = second_factors_of(user)
    if not kinds:
        return None
    if not code:
        raise SecondFactorRequired([kind.value for kind in kinds])
    return code_check(user=user, code=code)


class LogoutView(APIView):
    """The end of a token, or of everything."""

    @extend_schema(operation_id="logout", request=LogoutSerializer, responses=_SIGNED_OUT)
    def post(self, request: Request) -> Response:
        """Ends the token (or page session) that asks; with `all` every one of the user."""
        user = caller(request)
        wanted = LogoutSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        if wanted.validated_data["all"]:
            logout_everywhere(user=user)
        elif isinstance(request.auth, LoginToken):
            token_revoke(token=request.auth, by=user)
        else:
            session_key = request.session.session_key
            logout(request._request)
            login_end(user=user, session_key=session_key)
        return Response(status=status.HTTP_204_NO_CONTENT)


class LogoutAllView(APIView):
    """The end of everything."""

    @extend_schema(operation_id="logout_all", request=None, responses=_SIGNED_OUT)
    def post(self, request: Request) -> Response:
        """Ends every token and login session of the caller."""
        logout_everywhere(user=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(APIView):
    """The caller."""

    @extend_schema(operation_id="me", responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """Who the caller is, and their projects."""
        return Response(MeSerializer(caller(request)).data)

    @extend_schema(operation_id="me_update", request=MeChangeSerializer, responses=MeSerializer)
    def patch(self, request: Request) -> Response:
        """Changes the caller's own name."""
        wanted = MeChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = user_update(user=caller(request), by=caller(request), **wanted.validated_data)
        return Response(MeSerializer(user).data)


class TokenListView(generics.ListAPIView[LoginToken]):
    """The caller's login tokens; newest first."""

    serializer_class = TokenSerializer
    ordering = ("-created_at", "id")
    queryset = LoginToken.objects.none()

    def get_queryset(self) -> QuerySet[LoginToken]:
        """The caller's own."""
        return tokens_for(caller(self.request))

    @extend_schema(
        operation_id="tokens_revoke",
        responses={204: OpenApiResponse(description="None of them is worth anything now.")},
    )
    def delete(self, request: Request) -> Response:
        """Revokes all, the one that asks too, and ends what was opened with them."""
        tokens_revoke(user=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class TokenView(APIView):
    """One login token of the caller."""

    @extend_schema(
        operation_id="token_revoke", responses={204: OpenApiResponse(description="The token is worth nothing now.")}
    )
    def delete(self, request: Request, token_id: uuid.UUID) -> Response:
        """Revokes it, and ends what was opened with it."""
        token = get_object_or_404(tokens_for(caller(request)), pk=token_id)
        token_revoke(token=token, by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class LoginSessionListView(generics.ListAPIView[LoginSession]):
    """The browsers in which the caller is signed in; those used last first."""

    serializer_class = LoginSessionSerializer
    ordering = ("-last_used_at", "id")
    queryset = LoginSession.objects.none()

    def get_queryset(self) -> QuerySet[LoginSession]:
        """The caller's own."""
        return login_sessions_for(caller(self.request))


class LoginSessionView(APIView):
    """One browser in which the caller is signed in."""

    @extend_schema(operation_id="session_end", responses=_SIGNED_OUT)
    def delete(self, request: Request, login_session_id: uuid.UUID) -> Response:
        """Signs it out, and ends what was opened there."""
        session = get_object_or_404(login_sessions_for(caller(request)), pk=login_session_id)
        login_session_end(session=session, by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class SshKeyListView(generics.ListAPIView[SshKey]):
    """The caller's public SSH keys."""

    serializer_class = SshKeySerializer
    ordering = ("name", "id")
    queryset = SshKey.objects.none()

    def get_queryset(self) -> QuerySet[SshKey]:
        """The caller's own."""
        return ssh_keys_for(caller(self.request))

    @extend_schema(operation_id="ssh_key_add", request=SshKeyAddSerializer, responses={201: SshKeySerializer})
    def post(self, request: Request) -> Response:
        """Keeps one, to be chosen when a virtual machine is made."""
        wanted = SshKeyAddSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        key = ssh_key_add(user=caller(request), **wanted.validated_data)
        return Response(SshKeySerializer(key).data, status=status.HTTP_201_CREATED)


class SshKeyView(APIView):
    """One public SSH key of the caller."""

    @extend_schema(operation_id="ssh_key_remove", responses={204: OpenApiResponse(description="It is forgotten.")})
    def delete(self, request: Request, key_id: uuid.UUID) -> Response:
        """Forgets it; machines that were made with it keep it."""
        key = get_object_or_404(ssh_keys_for(caller(request)), pk=key_id)
        ssh_key_remove(key=key, by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class AuditFilter(django_filters.FilterSet):
    """How the audit can be narrowed."""

    action = django_filters.CharFilter(lookup_expr="startswith")
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    project = django_filters.UUIDFilter(field_name="project_id")

    class Meta:
        model = AuditEvent
        fields = ["target_type", "target_id", "outcome"]


class AuditListView(generics.ListAPIView[AuditEvent]):
    """Who did what; newest first. Everybody sees their own acts, staff of every site all."""

    serializer_class = AuditEventSerializer
    filterset_class = AuditFilter
    ordering = ("-at", "id")
    queryset = AuditEvent.objects.none()

    def get_queryset(self) -> QuerySet[AuditEvent]:
        """Scoped to the caller."""
        return audit_events_for(caller(self.request))
