"""The insides of guests in the API."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from vms.cards import card_for
from vms.guests import guest_freeze, guest_look, guest_password_set, guest_thaw

from .guest_serializers import FreezeSerializer, FreezeStatusSerializer, GuestPasswordSerializer, GuestSerializer
from .views import vm_or_404


class GuestView(APIView):
    """What a guest tells of itself."""

    @extend_schema(responses=GuestSerializer)
    def get(self, request: Request, vm_id: UUID) -> Response:
        """As it is now: asks the agent in the guest, else for addresses by DHCP lease or the host's neighbours."""
        card = card_for(caller(request), guest_look(vm_or_404(request, vm_id)))
        return Response(GuestSerializer(card).data)


class GuestPasswordView(APIView):
    """The password of an account in a guest."""

    @extend_schema(operation_id="guest_password_set", request=GuestPasswordSerializer, responses={204: None})
    def put(self, request: Request, vm_id: UUID) -> Response:
        """Has the agent in the running guest set it. Eve keeps it nowhere."""
        vm = vm_or_404(request, vm_id)
        wanted = GuestPasswordSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        guest_password_set(vm=vm, user=caller(request), **wanted.validated_data)
        return Response(status=status.HTTP_204_NO_CONTENT)


class GuestFreezeView(APIView):
    """Standing still for a moment."""

    @extend_schema(operation_id="guest_freeze", request=FreezeSerializer, responses=FreezeStatusSerializer)
    def post(self, request: Request, vm_id: UUID) -> Response:
        """Freezes the file systems of the running guest; it thaws by itself after so many seconds, whatever happens."""
        vm = vm_or_404(request, vm_id)
        wanted = FreezeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response(FreezeStatusSerializer(guest_freeze(vm=vm, user=caller(request), **wanted.validated_data)).data)


class GuestThawView(APIView):
    """Going on."""

    @extend_schema(operation_id="guest_thaw", request=None, responses=FreezeStatusSerializer)
    def post(self, request: Request, vm_id: UUID) -> Response:
        """Thaws them now; also such as are not frozen."""
        return Response(FreezeStatusSerializer(guest_thaw(vm=vm_or_404(request, vm_id), user=caller(request))).data)
