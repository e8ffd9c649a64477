"""Systems on a machine's disks in the API: rescue, reinstallation, copies."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from operations.models import Operation
from vms.images import images_for
from vms.services import NewSystem, vm_clone, vm_reinstall, vm_rescue, vm_rescue_end, vm_template

from .changes import ACCEPTED, given, once, operation_asked
from .choosing import named
from .serializers import VmCreatedSerializer
from .system_serializers import CloneSerializer, ReinstallSerializer, RescueSerializer, TemplateSerializer
from .views import IDEMPOTENCY_KEY, created, once_here, vm_or_404


class RescueView(APIView):
    """A rescue system in a machine that Eve made."""

    @extend_schema(operation_id="vm_rescue", request=RescueSerializer, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY])
    def put(self, request: Request, vm_id: UUID) -> Response:
        """Stops it at once and starts it from an ISO, with its disks attached."""
        vm, wanted = vm_or_404(request, vm_id), given(RescueSerializer, request)
        user = caller(request)
        return once(
            request,
            "rescue",
            vm,
            lambda: vm_rescue(vm=vm, image=named(wanted, "image", images_for(user)), user=user),
        )

    @extend_schema(operation_id="vm_rescue_end", responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY])
    def delete(self, request: Request, vm_id: UUID) -> Response:
        """Stops it at once and starts it from what it started from before."""
        return once_here(request, lambda: vm_rescue_end(vm=vm_or_404(request, vm_id), user=caller(request)))


class ReinstallView(APIView):
    """Another system in the place of the old one."""

    @extend_schema(
        operation_id="vm_reinstall", request=ReinstallSerializer, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY]
    )
    def post(self, request: Request, vm_id: UUID) -> Response:
        """Stops it, gives it another first disk and starts it. All on the old one is lost; cards, addresses and other disks stay."""
        vm, body, user = vm_or_404(request, vm_id), given(ReinstallSerializer, request), caller(request)

        def reinstall() -> Operation:
            image = named(body, "image", images_for(user))
            return vm_reinstall(vm=vm, wanted=NewSystem(**{**body, "image": image}), user=user)

        return once(request, "reinstall", vm, reinstall)


class CloneView(APIView):
    """Copies of a machine."""

    @extend_schema(
        operation_id="vm_clone",
        request=CloneSerializer,
        responses={202: VmCreatedSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, vm_id: UUID) -> Response:
        """Makes a whole copy of one that is off, with addresses and ids of its own: 202 with its address and that of the operation."""
        vm, body = vm_or_404(request, vm_id), given(CloneSerializer, request)
        make = partial(vm_clone, vm=vm, name=body["name"], user=caller(request), is_started=body["start"])
        return created(operation_asked(request, "clone", vm, make))


class TemplateView(APIView):
    """An image of a machine."""

    @extend_schema(
        operation_id="vm_template", request=TemplateSerializer, responses=ACCEPTED, parameters=[IDEMPOTENCY_KEY]
    )
    def post(self, request: Request, vm_id: UUID) -> Response:
        """Makes an image of the project from the first disk of one that is off; the operation's result has its id. Owners."""
        vm, body = vm_or_404(request, vm_id), given(TemplateSerializer, request)
        return once(request, "template", vm, partial(vm_template, vm=vm, user=caller(request), **body))
