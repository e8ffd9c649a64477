"""Users, projects and members."""

from __future__ import annotations

import uuid
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import Membership, Project, Role, User
from accounts.selectors import is_unlimited_staff, projects_for, role_in
from accounts.services import (
    membership_remove,
    membership_set,
    project_create,
    project_delete,
    project_update,
    user_create,
    user_delete,
    user_disable,
    user_enable,
    user_update,
)
from common.errors import Invalid, NotAllowed

from .permissions import UnlimitedStaff
from .serializers import MemberAddSerializer, MemberSerializer, ProjectSerializer, UserSerializer


class UserFilter(django_filters.FilterSet):
    """How users are found."""

    search = django_filters.CharFilter(field_name="email", lookup_expr="icontains")

    class Meta:
        model = User
        fields = ["is_active", "is_staff"]


class UserListView(generics.ListAPIView[User]):
    """All users, for staff of every site."""

    permission_classes = [UnlimitedStaff]
    serializer_class = UserSerializer
    filterset_class = UserFilter
    ordering = ("email", "id")
    queryset = User.objects.all()

    @extend_schema(operation_id="user_create", request=UserSerializer, responses={201: UserSerializer})
    def post(self, request: Request) -> Response:
        """Makes a user, who sets a password by a one-use link."""
        wanted = UserSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = user_create(by=caller(request), **wanted.validated_data)
        return Response(UserSerializer(user).data, status=status.HTTP_201_CREATED)


class UserView(generics.RetrieveAPIView[User]):
    """One user, for staff of every site."""

    permission_classes = [UnlimitedStaff]
    serializer_class = UserSerializer
    lookup_url_kwarg = "user_id"
    queryset = User.objects.all()

    @extend_schema(operation_id="user_update", request=UserSerializer, responses=UserSerializer)
    def patch(self, request: Request, user_id: uuid.UUID) -> Response:
        """Changes a user; `is_active` false shuts them out at once, everywhere."""
        user = self.get_object()
        wanted = UserSerializer(user, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        changes: dict[str, Any] = dict(wanted.validated_data)
        is_active = changes.pop("is_active", user.is_active)
        user = user_update(user=user, by=caller(request), **changes)
        if is_active != user.is_active:
            (user_enable if is_active else user_disable)(user=user, by=caller(request))
        return Response(UserSerializer(user).data)

    @extend_schema(operation_id="user_delete", responses={204: OpenApiResponse(description="Gone.")})
    def delete(self, request: Request, user_id: uuid.UUID) -> Response:
        """Deletes a user who owns no VMs; else 409."""
        user_delete(user=self.get_object(), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProjectListView(generics.ListAPIView[Project]):
    """The caller's projects; for staff of every site, all."""

    serializer_class = ProjectSerializer
    ordering = ("name", "id")
    queryset = Project.objects.none()

    def get_queryset(self) -> QuerySet[Project]:
        """Scoped to the caller."""
        return _visible_projects(caller(self.request))

    @extend_schema(operation_id="project_create", request=ProjectSerializer, responses={201: ProjectSerializer})
    def post(self, request: Request) -> Response:
        """Makes a project that the caller owns."""
        wanted = ProjectSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        project = project_create(owner=caller(request), by=caller(request), **wanted.validated_data)
        return Response(ProjectSerializer(project).data, status=status.HTTP_201_CREATED)


class ProjectView(generics.RetrieveAPIView[Project]):
    """One project."""

    serializer_class = ProjectSerializer
    lookup_url_kwarg = "project_id"
    queryset = Project.objects.none()

    def get_queryset(self) -> QuerySet[Project]:
        """Scoped to the caller."""
        return _visible_projects(caller(self.request))

    @extend_schema(operation_id="project_update", request=ProjectSerializer, responses=ProjectSerializer)
    def patch(self, request: Request, project_id: uuid.UUID) -> Response:
        """Changes name or remarks; owners only."""
        project = self.get_object()
        owner_check(caller(request), project)
        wanted = ProjectSerializer(project, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        project = project_update(project=project, by=caller(request), **wanted.validated_data)
        return Response(ProjectSerializer(project).data)

    @extend_schema(operation_id="project_delete", responses={204: OpenApiResponse(description="Gone.")})
    def delete(self, request: Request, project_id: uuid.UUID) -> Response:
        """Deletes a project without VMs; owners only."""
        project = self.get_object()
        owner_check(caller(request), project)
        project_delete(project=project, by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class MemberListView(generics.ListAPIView[Membership]):
    """Who is in a project."""

    serializer_class = MemberSerializer
    ordering = ("created_at", "id")
    queryset = Membership.objects.none()

    def get_queryset(self) -> QuerySet[Membership]:
        """The members of a project that the caller sees."""
        project = get_object_or_404(_visible_projects(caller(self.request)), pk=self.kwargs["project_id"])
        return Membership.objects.filter(project=project).select_related("user")

    @extend_schema(operation_id="member_add", request=MemberAddSerializer, responses={201: MemberSerializer})
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Takes a user in by e-mail address, or changes their role; owners only."""
        project = get_object_or_404(_visible_projects(caller(request)), pk=project_id)
        owner_check(caller(request), project)
        wanted = MemberAddSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = User.objects.filter(email__iexact=wanted.validated_data["email"], is_active=True).first()
        if user is None:
            raise Invalid(_("Nobody with this e-mail address has an account here. Ask staff to make one first."))
        membership = membership_set(
            project=project, user=user, role=Role(wanted.validated_data["role"]), by=caller(request)
        )
        return Response(MemberSerializer(membership).data, status=status.HTTP_201_CREATED)


class MemberView(APIView):
    """One member of a project."""

    @extend_schema(operation_id="member_update", request=MemberSerializer, responses=MemberSerializer)
    def patch(self, request: Request, project_id: uuid.UUID, user_id: uuid.UUID) -> Response:
        """Changes the role; owners only."""
        membership = self._membership(request, project_id, user_id)
        owner_check(caller(request), membership.project)
        wanted = MemberSerializer(membership, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        role = Role(wanted.validated_data.get("role", membership.role))
        changed = membership_set(project=membership.project, user=membership.user, role=role, by=caller(request))
        return Response(MemberSerializer(changed).data)

    @extend_schema(operation_id="member_remove", responses={204: OpenApiResponse(description="Not in it any more.")})
    def delete(self, request: Request, project_id: uuid.UUID, user_id: uuid.UUID) -> Response:
        """Takes a member out (owners), or leaves (oneself)."""
        membership = self._membership(request, project_id, user_id)
        if membership.user != caller(request):
            owner_check(caller(request), membership.project)
        membership_remove(membership=membership, by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _membership(self, request: Request, project_id: uuid.UUID, user_id: uuid.UUID) -> Membership:
        project = get_object_or_404(_visible_projects(caller(request)), pk=project_id)
        return get_object_or_404(Membership.objects.select_related("user", "project"), project=project, user_id=user_id)


def owner_check(user: User, project: Project) -> None:
    """That the user owns the project, or is staff of every site. Raises NotAllowed, or Http404 for outsiders."""
    role = role_in(user, project)
    if role is Role.OWNER or is_unlimited_staff(user):
        return
    if role is None:
        raise Http404
    raise NotAllowed(_("Only owners of %(project)s may do that. Ask one of them.") % {"project": project})


def _visible_projects(user: User) -> QuerySet[Project]:
    return Project.objects.all() if is_unlimited_staff(user) else projects_for(user)
