"""Users, projects and members."""

from __future__ import annotations

import uuid

import django_filters
from django.conf import settings
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import Invitation, Membership, Project, Role, User
from accounts.selectors import invitations_of, projects_visible_to, users_for
from accounts.services import (
    invitation_withdraw,
    member_invite,
    membership_remove,
    membership_set,
    owner_check,
    password_link,
    project_create,
    project_delete,
    project_update,
    second_factor_reset,
    user_create,
    user_delete,
    user_update,
)

from .permissions import UnlimitedStaff
from .serializers import (
    InvitationSerializer,
    MemberAddSerializer,
    MemberSerializer,
    PasswordLinkSerializer,
    ProjectSerializer,
    UserSerializer,
)

_GONE = {204: OpenApiResponse(description="Done; there is nothing to say.")}


class UserFilter(django_filters.FilterSet):
    """How users are found."""

    search = django_filters.CharFilter(method="filter_search", label="part of name or e-mail address")

    class Meta:
        model = User
        fields = ["is_active", "is_staff"]

    def filter_search(self, users: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        """By part of name or e-mail address."""
        return users.filter(Q(email__icontains=value) | Q(name__icontains=value))


class UserListView(generics.ListAPIView[User]):
    """All users, for staff of every site."""

    permission_classes = [UnlimitedStaff]
    serializer_class = UserSerializer
    filterset_class = UserFilter
    ordering = ("email", "id")
    queryset = User.objects.none()

    def get_queryset(self) -> QuerySet[User]:
        """Scoped to the caller."""
        return users_for(caller(self.request))

    @extend_schema(operation_id="user_create", request=UserSerializer, responses={201: UserSerializer})
    def post(self, request: Request) -> Response:
        """Makes a user, who sets a password by a one-use link."""
        wanted = UserSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = user_create(by=caller(request), **wanted.validated_data)
        return Response(UserSerializer(user).data, status=status.HTTP_201_CREATED)


class UserView(APIView):
    """One user, for staff of every site."""

    permission_classes = [UnlimitedStaff]

    @extend_schema(operation_id="user_get", responses=UserSerializer)
    def get(self, request: Request, user_id: uuid.UUID) -> Response:
        """The user."""
        return Response(UserSerializer(_user(request, user_id)).data)

    @extend_schema(operation_id="user_update", request=UserSerializer, responses=UserSerializer)
    def patch(self, request: Request, user_id: uuid.UUID) -> Response:
        """Changes a user; `is_active` false shuts them out at once, everywhere."""
        user = _user(request, user_id)
        wanted = UserSerializer(user, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        return Response(UserSerializer(user_update(user=user, by=caller(request), **wanted.validated_data)).data)

    @extend_schema(operation_id="user_delete", responses=_GONE)
    def delete(self, request: Request, user_id: uuid.UUID) -> Response:
        """Deletes a user who owns no VMs; else 409."""
        user_delete(user=_user(request, user_id), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PasswordLinkView(APIView):
    """A one-use link for a user."""

    permission_classes = [UnlimitedStaff]

    @extend_schema(operation_id="user_password_link", request=None, responses={201: PasswordLinkSerializer})
    def post(self, request: Request, user_id: uuid.UUID) -> Response:
        """A link by which the user sets a password once, within the hour; shown this once, to be handed over."""
        url = password_link(user=_user(request, user_id), by=caller(request))
        answer = PasswordLinkSerializer({"url": url, "expires_in_seconds": settings.PASSWORD_RESET_TIMEOUT})
        return Response(answer.data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class SecondFactorsView(APIView):
    """The second factors of a user, for staff of every site."""

    permission_classes = [UnlimitedStaff]

    @extend_schema(operation_id="user_second_factors_reset", responses=_GONE)
    def delete(self, request: Request, user_id: uuid.UUID) -> Response:
        """Forgets authenticator app, passkeys and recovery codes of a user who has lost them; the password is all, then."""
        second_factor_reset(user=_user(request, user_id), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProjectListView(generics.ListAPIView[Project]):
    """The caller's projects; for staff of every site, all."""

    serializer_class = ProjectSerializer
    ordering = ("name", "id")
    queryset = Project.objects.none()

    def get_queryset(self) -> QuerySet[Project]:
        """Scoped to the caller."""
        return projects_visible_to(caller(self.request))

    @extend_schema(operation_id="project_create", request=ProjectSerializer, responses={201: ProjectSerializer})
    def post(self, request: Request) -> Response:
        """Makes a project that the caller owns."""
        wanted = ProjectSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        fields = {name: wanted.validated_data[name] for name in ("name", "remarks") if name in wanted.validated_data}
        project = project_create(owner=caller(request), by=caller(request), **fields)
        return Response(ProjectSerializer(project).data, status=status.HTTP_201_CREATED)


class ProjectView(APIView):
    """One project."""

    @extend_schema(operation_id="project_get", responses=ProjectSerializer)
    def get(self, request: Request, project_id: uuid.UUID) -> Response:
        """The project."""
        return Response(ProjectSerializer(_project(request, project_id)).data)

    @extend_schema(operation_id="project_update", request=ProjectSerializer, responses=ProjectSerializer)
    def patch(self, request: Request, project_id: uuid.UUID) -> Response:
        """Changes name or remarks (owners), or `is_active` (staff)."""
        project = _project(request, project_id)
        owner_check(by=caller(request), project=project)
        wanted = ProjectSerializer(project, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        project = project_update(project=project, by=caller(request), **wanted.validated_data)
        return Response(ProjectSerializer(project).data)

    @extend_schema(operation_id="project_delete", responses=_GONE)
    def delete(self, request: Request, project_id: uuid.UUID) -> Response:
        """Deletes a project without VMs; owners only."""
        project_delete(project=_project(request, project_id), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class MemberListView(generics.ListAPIView[Membership]):
    """Who is in a project."""

    serializer_class = MemberSerializer
    ordering = ("created_at", "id")
    queryset = Membership.objects.none()

    def get_queryset(self) -> QuerySet[Membership]:
        """The members of a project that the caller sees."""
        project = _project(self.request, self.kwargs["project_id"])
        return Membership.objects.filter(project=project).select_related("user")

    @extend_schema(
        operation_id="member_add",
        request=MemberAddSerializer,
        responses={201: MemberSerializer, 202: InvitationSerializer},
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Takes a user in by e-mail address, or changes their role; who has no account is invited by mail (202). Owners only."""
        project = _project(request, project_id)
        owner_check(by=caller(request), project=project)
        wanted = MemberAddSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        made = member_invite(
            project=project,
            email=wanted.validated_data["email"],
            role=Role(wanted.validated_data["role"]),
            by=caller(request),
        )
        if isinstance(made, Invitation):
            return Response(InvitationSerializer(made).data, status=status.HTTP_202_ACCEPTED)
        return Response(MemberSerializer(made).data, status=status.HTTP_201_CREATED)


class InvitationListView(generics.ListAPIView[Invitation]):
    """Whom a project waits for; owners only."""

    serializer_class = InvitationSerializer
    ordering = ("email", "id")
    queryset = Invitation.objects.none()

    def get_queryset(self) -> QuerySet[Invitation]:
        """The open invitations of a project that the caller owns."""
        project = _project(self.request, self.kwargs["project_id"])
        owner_check(by=caller(self.request), project=project)
        return invitations_of(project)


class InvitationView(APIView):
    """One open invitation of a project."""

    @extend_schema(operation_id="invitation_withdraw", responses=_GONE)
    def delete(self, request: Request, project_id: uuid.UUID, invitation_id: uuid.UUID) -> Response:
        """Withdraws it; owners only."""
        project = _project(request, project_id)
        owner_check(by=caller(request), project=project)
        invitation = get_object_or_404(invitations_of(project), pk=invitation_id)
        invitation_withdraw(invitation=invitation, by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class MemberView(APIView):
    """One member of a project."""

    @extend_schema(operation_id="member_update", request=MemberSerializer, responses=MemberSerializer)
    def patch(self, request: Request, project_id: uuid.UUID, user_id: uuid.UUID) -> Response:
        """Changes the role; owners only."""
        membership = _membership(request, project_id, user_id)
        owner_check(by=caller(request), project=membership.project)
        wanted = MemberSerializer(membership, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        role = Role(wanted.validated_data.get("role", membership.role))
        changed = membership_set(project=membership.project, user=membership.user, role=role, by=caller(request))
        return Response(MemberSerializer(changed).data)

    @extend_schema(operation_id="member_remove", responses=_GONE)
    def delete(self, request: Request, project_id: uuid.UUID, user_id: uuid.UUID) -> Response:
        """Takes a member out (owners), or leaves (oneself)."""
        membership = _membership(request, project_id, user_id)
        membership_remove(project=membership.project, user=membership.user, by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _user(request: Request, user_id: uuid.UUID) -> User:
    return get_object_or_404(users_for(caller(request)), pk=user_id)


def _project(request: Request, project_id: uuid.UUID) -> Project:
    return get_object_or_404(projects_visible_to(caller(request)), pk=project_id)


def _membership(request: Request, project_id: uuid.UUID, user_id: uuid.UUID) -> Membership:
    project = _project(request, project_id)
    return get_object_or_404(Membership.objects.select_related("user", "project"), project=project, user_id=user_id)
