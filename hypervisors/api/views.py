"""Sites and hypervisors for staff; enrolment for hosts. What is not yours is not there: 404."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from eve_agent.wire import codec
from eve_agent.wire.certs import EnrolmentRequest
from rest_framework import generics, status
from rest_framework.exceptions import ParseError
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import User
from accounts.selectors import is_unlimited_staff
from common.sentences import gettext as _
from hypervisors.doctor import connection_test
from hypervisors.models import Hypervisor, Site
from hypervisors.selectors import hypervisors_for, sites_for
from hypervisors.services import (
    enrolment_line,
    enrolment_token_create,
    hypervisor_delete,
    hypervisor_enrol,
    hypervisor_register,
    hypervisor_update,
    site_create,
)

from .parsers import EnrolmentParser
from .serializers import (
    EnrolmentAnswerSerializer,
    EnrolmentLineSerializer,
    EnrolmentRequestSerializer,
    HypervisorChangeSerializer,
    HypervisorSerializer,
    HypervisorStateSerializer,
    HypervisorWishSerializer,
    SiteSerializer,
    SiteWishSerializer,
    StepSerializer,
)
from .throttles import EnrolThrottle

_NO_STORE = {"Cache-Control": "no-store"}


class IsStaff(BasePermission):
    """Staff; for everybody else who is signed in there is nothing here."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raises Http404."""
        user = request.user
        if not isinstance(user, User):
            return False
        if not (user.is_active and (user.is_staff or user.is_superuser)):
            raise Http404
        return True


class EnrolView(APIView):
    """Where a host becomes a hypervisor: the token in the body is the credential."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    parser_classes = [EnrolmentParser]
    throttle_classes = [EnrolThrottle]

    @extend_schema(
        operation_id="enrol", request=EnrolmentRequestSerializer, responses={200: EnrolmentAnswerSerializer}, auth=[]
    )
    def post(self, request: Request) -> Response:
        """Signs the host's key for the hypervisor that its one-use token names, and pins it."""
        body = cast(dict[str, EnrolmentRequest], request.data)
        if "enrolment" not in body:
            raise ParseError(_("There is no enrolment in the request."))
        answer = hypervisor_enrol(request=body["enrolment"])
        return Response(codec.to_plain(answer), headers=_NO_STORE)


class SiteListView(generics.ListAPIView[Site]):
    """The sites that the caller manages."""

    permission_classes = [IsStaff]
    serializer_class = SiteSerializer
    ordering = ("name", "id")
    queryset = Site.objects.none()

    def get_queryset(self) -> QuerySet[Site]:
        """By the caller's sites."""
        return sites_for(caller(self.request))

    @extend_schema(operation_id="site_create", request=SiteWishSerializer, responses={201: SiteSerializer})
    def post(self, request: Request) -> Response:
        """A new site; for staff of every site only."""
        if not is_unlimited_staff(caller(request)):
            raise Http404
        wish = SiteWishSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        site = site_create(site=Site(**wish.validated_data), user=caller(request))
        return Response(SiteSerializer(site).data, status=status.HTTP_201_CREATED)


class SiteView(generics.RetrieveAPIView[Site]):
    """One site."""

    permission_classes = [IsStaff]
    serializer_class = SiteSerializer
    lookup_url_kwarg = "site_id"
    queryset = Site.objects.none()

    def get_queryset(self) -> QuerySet[Site]:
        """By the caller's sites."""
        return sites_for(caller(self.request))


class HypervisorListView(generics.ListAPIView[Hypervisor]):
    """The hypervisors at the caller's sites."""

    permission_classes = [IsStaff]
    serializer_class = HypervisorSerializer
    filterset_fields = ["site", "state", "name"]
    ordering = ("name", "id")
    queryset = Hypervisor.objects.none()

    def get_queryset(self) -> QuerySet[Hypervisor]:
        """By the caller's sites."""
        return hypervisors_for(caller(self.request)).select_related("site")

    @extend_schema(
        operation_id="hypervisor_register", request=HypervisorWishSerializer, responses={201: HypervisorSerializer}
    )
    def post(self, request: Request) -> Response:
        """Registers a hypervisor; POST to its `enrolment` for the line to run on the host."""
        wish = HypervisorWishSerializer(data=request.data, context={"request": request})
        wish.is_valid(raise_exception=True)
        hypervisor = hypervisor_register(hypervisor=Hypervisor(**wish.validated_data), user=caller(request))
        return Response(HypervisorSerializer(hypervisor).data, status=status.HTTP_201_CREATED)


class HypervisorPartView(APIView):
    """Something of one hypervisor."""

    permission_classes = [IsStaff]

    def hypervisor(self) -> Hypervisor:
        """The one in the path. Raises Http404."""
        mine = hypervisors_for(caller(self.request)).select_related("site")
        return get_object_or_404(mine, pk=self.kwargs["hypervisor_id"])


class HypervisorView(HypervisorPartView):
    """One hypervisor."""

    @extend_schema(operation_id="hypervisor", responses=HypervisorSerializer)
    def get(self, request: Request, hypervisor_id: uuid.UUID) -> Response:
        """The hypervisor with its facts."""
        return Response(HypervisorSerializer(self.hypervisor()).data)

    @extend_schema(operation_id="hypervisor_update", request=HypervisorChangeSerializer, responses=HypervisorSerializer)
    def patch(self, request: Request, hypervisor_id: uuid.UUID) -> Response:
        """Changes name, site, address or remarks."""
        hypervisor = self.hypervisor()
        wish = HypervisorChangeSerializer(data=request.data, context={"request": request}, partial=True)
        wish.is_valid(raise_exception=True)
        changed = hypervisor_update(hypervisor=hypervisor, user=caller(request), **wish.validated_data)
        return Response(HypervisorSerializer(changed).data)

    @extend_schema(
        operation_id="hypervisor_delete", responses={204: OpenApiResponse(description="Its host is shut out.")}
    )
    def delete(self, request: Request, hypervisor_id: uuid.UUID) -> Response:
        """Deletes it and shuts its host out at once; refused while it has virtual machines."""
        hypervisor_delete(hypervisor=self.hypervisor(), user=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class HypervisorStateView(HypervisorPartView):
    """How Eve and the host get on."""

    @extend_schema(operation_id="hypervisor_state", responses=HypervisorStateSerializer)
    def get(self, request: Request, hypervisor_id: uuid.UUID) -> Response:
        """Its state, and why."""
        return Response(HypervisorStateSerializer(self.hypervisor()).data)


class HypervisorEnrolmentView(HypervisorPartView):
    """The way in for a host."""

    @extend_schema(operation_id="hypervisor_enrolment", request=None, responses={201: EnrolmentLineSerializer})
    def post(self, request: Request, hypervisor_id: uuid.UUID) -> Response:
        """A new line to run on the host, shown this once; an earlier unused one ends."""
        token, row = enrolment_token_create(hypervisor=self.hypervisor(), user=caller(request))
        shown = {"line": enrolment_line(token), "token": token, "expires_at": row.expires_at}
        return Response(EnrolmentLineSerializer(shown).data, status=status.HTTP_201_CREATED, headers=_NO_STORE)


class HypervisorTestView(HypervisorPartView):
    """The way to a host."""

    @extend_schema(operation_id="hypervisor_test", request=None, responses=StepSerializer(many=True))
    def post(self, request: Request, hypervisor_id: uuid.UUID) -> Response:
        """Tests the connection step by step: name, TCP, TLS, pin, agent, libvirt."""
        return Response(StepSerializer(connection_test(self.hypervisor()), many=True).data)
