"""Virtual machines in the API."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from common.answers import represented
from common.sentences import gettext as _
from operations.idempotency import HEADER, operation_once, request_digest
from operations.models import Operation
from vms.cards import VmCard, card_for, cards_for
from vms.facts import display_warnings
from vms.models import DiscoveredDomain, Vm
from vms.quotas import overdraft_words
from vms.screens import screen_png
from vms.selectors import discovered_for, projects_known_to, projects_open_to, vm_for, vms_visible_to
from vms.services import vm_adopt, vm_change_state, vm_configure, vm_create, vm_delete, vm_move, vm_update

from .choosing import chosen
from .creating import wanted_of
from .filters import DiscoveredDomainFilter, VmFilter
from .serializers import (
    AdoptedSerializer,
    AdoptSerializer,
    DiscoveredDomainSerializer,
    OperationAddressSerializer,
    StateChangeSerializer,
    VmChangeSerializer,
    VmCreatedSerializer,
    VmCreateSerializer,
    VmDeleteSerializer,
    VmMoveSerializer,
    VmSerializer,
    VmStateSerializer,
)

IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Your name for this request, such as a random UUID: a retry with it gets what the first try made.",
)
ORDERINGS = {
    "name": ("name", "id"),
    "-name": ("-name", "id"),
    "state_since": ("state_since", "id"),
    "-state_since": ("-state_since", "id"),
    "created_at": ("created_at", "id"),
    "-created_at": ("-created_at", "id"),
}


class VmListView(generics.ListAPIView[Vm]):
    """Your VMs (staff: also those on the hosts that they manage)."""

    queryset = Vm.objects.none()
    serializer_class = VmSerializer
    filterset_class = VmFilter

    @property
    def ordering(self) -> tuple[str, ...]:
        """As asked for; else by name. Raises ValidationError for what is no order."""
        wanted = self.request.query_params.get("ordering", "name")
        if wanted not in ORDERINGS:
            raise ValidationError({"ordering": _("Choose one of: %(known)s.") % {"known": ", ".join(ORDERINGS)}})
        return ORDERINGS[wanted]

    def get_queryset(self) -> QuerySet[Vm]:
        """The caller's own."""
        return vms_visible_to(caller(self.request)).select_related("project", "hypervisor__site")

    @extend_schema(parameters=[OpenApiParameter("ordering", str, enum=list(ORDERINGS))])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of them."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        cards = cards_for(caller(request), page or [])
        return self.get_paginated_response(represented(VmSerializer, cards))

    @extend_schema(
        operation_id="vm_create",
        request=VmCreateSerializer,
        responses={202: VmCreatedSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        """Makes one: 202 with its address and that of the operation that makes it."""
        body = VmCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user = caller(request)
        wanted, project = wanted_of(body.validated_data, user)
        operation = operation_once(
            user=user,
            key=request.headers.get(HEADER, ""),
            digest=request_digest("vm.create", request.data),
            make=partial(vm_create, wanted=wanted, project=project, user=user),
        )
        return created(operation)


class VmView(APIView):
    """One VM."""

    @extend_schema(responses=VmSerializer)
    def get(self, request: Request, vm_id: UUID) -> Response:
        """Shows it."""
        return Response(VmSerializer(_card(request, vm_id)).data)

    @extend_schema(
        request=VmChangeSerializer,
        responses={200: VmSerializer, 202: OperationAddressSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def patch(self, request: Request, vm_id: UUID) -> Response:
        """Changes its remarks at once: 200. A new name or autostart is brought to its host: 202 with the operation's address."""
        vm, user = vm_or_404(request, vm_id), caller(request)
        wanted = VmChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        with transaction.atomic():
            operation = self._configure(request, vm, given) if {"name", "autostart"} & set(given) else None
            if "remarks" in given:
                vm_update(vm=vm, user=user, remarks=given["remarks"])
        return accepted(operation) if operation else Response(VmSerializer(card_for(user, vm)).data)

    def _configure(self, request: Request, vm: Vm, given: dict[str, Any]) -> Operation:
        return operation_once(
            user=caller(request),
            key=request.headers.get(HEADER, ""),
            digest=request_digest("vm.settings", str(vm.pk), request.data),
            make=partial(
                vm_configure,
                vm=vm,
                user=caller(request),
                name=given.get("name"),
                is_autostarted=given.get("autostart"),
            ),
        )

    @extend_schema(
        operation_id="vm_delete",
        parameters=[
            OpenApiParameter("keep_disks", bool, description="Whether its disks stay with the project."),
            IDEMPOTENCY_KEY,
        ],
        responses={202: OperationAddressSerializer},
    )
    def delete(self, request: Request, vm_id: UUID) -> Response:
        """Deletes a VM that Eve made, with its disks unless they are kept: 202 with the operation's address."""
        wanted = VmDeleteSerializer(data=request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        keeps_disks = wanted.validated_data["keep_disks"]
        return once_here(
            request,
            lambda: vm_delete(vm=vm_or_404(request, vm_id), user=caller(request), keeps_disks=keeps_disks),
        )


class VmStateView(APIView):
    """A VM's state, and how it is changed."""

    @extend_schema(responses=VmStateSerializer)
    def get(self, request: Request, vm_id: UUID) -> Response:
        """Shows the state, and what may be done."""
        return Response(VmStateSerializer(_card(request, vm_id)).data)

    @extend_schema(
        request=StateChangeSerializer, responses={202: OperationAddressSerializer}, parameters=[IDEMPOTENCY_KEY]
    )
    def patch(self, request: Request, vm_id: UUID) -> Response:
        """Queues a power action: 202 with the address of its operation. Asked again meanwhile, it is the same operation."""
        vm = vm_or_404(request, vm_id)
        wanted = StateChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        operation = operation_once(
            user=caller(request),
            key=request.headers.get(HEADER, ""),
            digest=request_digest("vm.state", str(vm.pk), request.data),
            make=partial(vm_change_state, vm=vm, action=wanted.validated_data["action"], user=caller(request)),
        )
        return accepted(operation)


class VmProjectView(APIView):
    """The project of a VM."""

    @extend_schema(operation_id="vm_move", request=VmMoveSerializer, responses=VmSerializer)
    def put(self, request: Request, vm_id: UUID) -> Response:
        """Gives it to another project of yours, with disks and snapshots. Who is not in that one loses it, and its consoles."""
        vm, user = vm_or_404(request, vm_id), caller(request)
        wanted = VmMoveSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        project = projects_open_to(user, vm).filter(pk=wanted.validated_data["project"]).first()
        if project is None:
            raise ValidationError({"project": [_("There is no such project, or you may not change machines in it.")]})
        vm = vm_move(vm=vm, project=project, user=user)
        return Response(VmSerializer(_card(request, vm.pk)).data)


class VmScreenshotView(APIView):
    """A picture of a VM's screen."""

    @extend_schema(responses={(200, "image/png"): OpenApiResponse(OpenApiTypes.BINARY, description="A PNG.")})
    def get(self, request: Request, vm_id: UUID) -> HttpResponse:
        """The screen as it is, at most two seconds old."""
        picture = screen_png(vm_or_404(request, vm_id))
        return HttpResponse(
            picture,
            content_type="image/png",
            headers={"Cache-Control": "private, no-store", "Content-Security-Policy": "default-src 'none'; sandbox"},
        )


class DiscoveredDomainListView(generics.ListAPIView[DiscoveredDomain]):
    """Domains that hosts have and Eve does not; staff only."""

    queryset = DiscoveredDomain.objects.none()
    serializer_class = DiscoveredDomainSerializer
    filterset_class = DiscoveredDomainFilter
    ordering: ClassVar[tuple[str, ...]] = ("name", "id")

    def get_queryset(self) -> QuerySet[DiscoveredDomain]:
        """Those on the caller's hosts. Raises Http404 for everybody else."""
        require_staff(self.request)
        return discovered_for(caller(self.request))


class AdoptView(APIView):
    """Making a discovered domain a VM."""

    @extend_schema(request=AdoptSerializer, responses={201: AdoptedSerializer})
    def post(self, request: Request, discovered_id: int) -> Response:
        """Gives it to a project; the domain itself is not touched."""
        require_staff(request)
        discovered = get_object_or_404(discovered_for(caller(request)), pk=discovered_id)
        wanted = AdoptSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        project = chosen(wanted.validated_data, "project", projects_known_to(caller(request)))
        assert project is not None, "it is required"
        vm = vm_adopt(discovered=discovered, project=project, user=caller(request))
        answer = VmSerializer(_card(request, vm.pk)).data
        return Response(
            {**answer, "warnings": [*display_warnings(vm.name, vm.facts), *overdraft_words(project)]},
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/vms/{vm.pk}"},
        )


def once_here(request: Request, make: Callable[[], Operation]) -> Response:
    """202 with the operation that `make` makes, or that an earlier try with the same key made.

    `make` also looks for what the address names: a retry may find that gone.
    """
    operation = operation_once(
        user=caller(request),
        key=request.headers.get(HEADER, ""),
        digest=request_digest(request.method, request.get_full_path(), request.data),
        make=make,
    )
    return accepted(operation)


def created(operation: Operation) -> Response:
    """202 with the address of the VM that is being made, and where to follow that."""
    answer = {
        "id": str(operation.target_id),
        "vm": f"/api/v1/vms/{operation.target_id}",
        "operation": operation.api_path,
    }
    return Response(answer, status=status.HTTP_202_ACCEPTED, headers={"Location": answer["operation"]})


def accepted(operation: Operation) -> Response:
    """202 with the address at which the operation is followed."""
    address = operation.api_path
    return Response({"operation": address}, status=status.HTTP_202_ACCEPTED, headers={"Location": address})


def require_staff(request: Request) -> None:
    """That there is such a thing for the caller. Raises Http404."""
    if not caller(request).is_staff:
        raise Http404


def vm_or_404(request: Request, vm_id: UUID) -> Vm:
    """The VM, if it exists for the caller. Raises Http404."""
    vm = vm_for(caller(request), vm_id)
    if vm is None:
        raise Http404
    return vm


def _card(request: Request, vm_id: UUID) -> VmCard:
    return card_for(caller(request), vm_or_404(request, vm_id))
