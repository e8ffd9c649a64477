"""Typing at a VM's keyboard."""

from __future__ import annotations

import uuid

from django.http import Http404
from drf_spectacular.utils import extend_schema
from eve_agent.wire.keyboard import KeyboardLayout, chords
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from consoles.keyboard import text_type, typing_cancel, typing_status
from consoles.principals import principal_of
from vms.models import Vm
from vms.selectors import vm_for

from .serializers import (
    KeyboardRequestSerializer,
    KeyboardSerializer,
    TypingRequestSerializer,
    TypingSerializer,
)

KEYBOARD_SECONDS = 3600
"""A keyboard changes with Eve's version only."""


class TypingView(APIView):
    """The text that a VM's host types at its keyboard."""

    @extend_schema(operation_id="console_typing", responses=TypingSerializer)
    def get(self, request: Request, vm_id: uuid.UUID) -> Response:
        """How far it is with the text that it types, or typed last."""
        return Response(TypingSerializer(typing_status(vm=_vm(request, vm_id), user=caller(request))).data)

    @extend_schema(operation_id="console_type", request=TypingRequestSerializer, responses={202: TypingSerializer})
    def post(self, request: Request, vm_id: uuid.UUID) -> Response:
        """Begins to type. It works at a boot prompt too, and needs nothing in the guest."""
        vm = _vm(request, vm_id)
        wanted = TypingRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        begun = text_type(vm=vm, principal=principal_of(request), **wanted.validated_data)
        return Response(TypingSerializer(begun).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(operation_id="console_typing_cancel", responses=TypingSerializer)
    def delete(self, request: Request, vm_id: uuid.UUID) -> Response:
        """Stops at the next key; what was typed stays typed."""
        return Response(TypingSerializer(typing_cancel(vm=_vm(request, vm_id), user=caller(request))).data)


class KeyboardView(APIView):
    """Which keys type which characters."""

    @extend_schema(operation_id="keyboard", parameters=[KeyboardRequestSerializer], responses=KeyboardSerializer)
    def get(self, request: Request) -> Response:
        """A keyboard, for pages and programs that press keys themselves."""
        wanted = KeyboardRequestSerializer(data=request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        layout = KeyboardLayout(wanted.validated_data["layout"])
        keys = {
            character: [[key.code for key in chord] for chord in pressed]
            for character, pressed in chords(layout).items()
        }
        answer = Response(KeyboardSerializer({"layout": layout.value, "keys": keys}).data)
        answer.headers["Cache-Control"] = f"private, max-age={KEYBOARD_SECONDS}"
        return answer


def _vm(request: Request, vm_id: uuid.UUID) -> Vm:
    vm = vm_for(caller(request), vm_id)
    if vm is None:
        raise Http404
    return vm
