"""The doctor's requests."""

from __future__ import annotations

import uuid

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from common.arrival import Arrival
from consoles.doctor.host import host_test
from consoles.doctor.way_in import clean_origin, handshake_findings, page_findings, probe_begin
from consoles.selectors import vm_for_console
from hypervisors.selectors import hypervisor_for
from vms.models import Vm

from .doctor_serializers import (
    DoctorHostSerializer,
    DoctorPageSerializer,
    DoctorProbeSerializer,
    DoctorRequestSerializer,
    FoundSerializer,
)


class DoctorView(APIView):
    """The way from a page to Eve."""

    @extend_schema(operation_id="console_doctor", parameters=[DoctorRequestSerializer], responses=DoctorPageSerializer)
    def get(self, request: Request, vm_id: uuid.UUID) -> Response:
        """How this very request arrived, and what is wrong with that."""
        vm = _vm(request, vm_id)
        wanted = _wanted(request)
        arrival = Arrival.of_request(request._request)
        is_theirs = hypervisor_for(caller(request), vm.hypervisor_id) is not None
        found = page_findings(arrival, page=clean_origin(wanted["page"]), names_peer=is_theirs)
        answer = {
            "host": arrival.host,
            "scheme": "https" if arrival.is_secure else "http",
            "client": arrival.client,
            "peer": arrival.peer if is_theirs else "",
            "findings": found,
        }
        return Response(DoctorPageSerializer(answer).data, headers={"Cache-Control": "no-store"})

    @extend_schema(operation_id="console_doctor_begin", request=None, responses={201: DoctorProbeSerializer})
    def post(self, request: Request, vm_id: uuid.UUID) -> Response:
        """Begins a test of the websockets: its address works for three minutes, for the same page's cookie."""
        vm = _vm(request, vm_id)
        probe = probe_begin(user=caller(request), vm=vm)
        answer = {"probe": probe, "url": f"/ws/vms/{vm.pk}/doctor?probe={probe}"}
        return Response(DoctorProbeSerializer(answer).data, status=status.HTTP_201_CREATED)


class DoctorHandshakeView(APIView):
    """How a websocket of a test arrived: a browser says nothing of a handshake that failed."""

    @extend_schema(
        operation_id="console_doctor_handshake",
        parameters=[DoctorRequestSerializer],
        responses=FoundSerializer(many=True),
    )
    def get(self, request: Request, vm_id: uuid.UUID, probe_id: uuid.UUID) -> Response:
        """What is wrong with the last one; nothing, where it was good."""
        _vm(request, vm_id)
        page = clean_origin(_wanted(request)["page"])
        found = handshake_findings(probe_id, user=caller(request), page=page)
        return Response(FoundSerializer(found, many=True).data, headers={"Cache-Control": "no-store"})


class DoctorHostView(APIView):
    """The way from Eve to a VM's host."""

    @extend_schema(operation_id="console_doctor_host", request=None, responses=DoctorHostSerializer)
    def post(self, request: Request, vm_id: uuid.UUID) -> Response:
        """Walks it now, and asks the host whether the VM has a screen. Takes up to half a minute where the host is away."""
        vm = _vm(request, vm_id)
        return Response(DoctorHostSerializer(host_test(user=caller(request), vm=vm)).data)


def _wanted(request: Request) -> dict[str, str]:
    wanted = DoctorRequestSerializer(data=request.query_params.dict())
    wanted.is_valid(raise_exception=True)
    return dict(wanted.validated_data)


def _vm(request: Request, vm_id: uuid.UUID) -> Vm:
    vm = vm_for_console(caller(request), vm_id)
    if vm is None:
        raise Http404
    return vm
