"""Who is watching a VM."""

from __future__ import annotations

import uuid

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from consoles.control import control_hand_over
from consoles.selectors import sessions_for
from consoles.viewers import viewers_of
from vms.selectors import vm_for

from .serializers import ConsoleSessionSerializer, ViewerSerializer


class ViewersView(APIView):
    """Who is at a VM's consoles."""

    @extend_schema(operation_id="console_viewers", responses=ViewerSerializer(many=True))
    def get(self, request: Request, vm_id: uuid.UUID) -> Response:
        """Everybody at the VM's consoles now, who came first first."""
        vm = vm_for(caller(request), vm_id)
        if vm is None:
            raise Http404
        return Response(ViewerSerializer(viewers_of(caller(request), vm), many=True).data)


class HandOverView(APIView):
    """The keyboard of a VM's screen."""

    @extend_schema(operation_id="console_hand_over", request=None, responses=ConsoleSessionSerializer)
    def post(self, request: Request, session_id: uuid.UUID) -> Response:
        """Gives that session the keyboard, and takes it from all others at the VM."""
        session = sessions_for(caller(request)).filter(pk=session_id).first()
        if session is None:
            raise Http404
        return Response(ConsoleSessionSerializer(control_hand_over(session=session, user=caller(request))).data)
