"""Tickets and sessions."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from consoles.control import session_set_mode
from consoles.models import ConsoleSession
from consoles.principals import principal_of
from consoles.selectors import sessions_for, vm_for_console
from consoles.services import session_cut, ticket_create

from .serializers import ConsoleSessionSerializer, ModeSerializer, TicketRequestSerializer, TicketSerializer


class TicketView(APIView):
    """Tickets for the consoles of one VM."""

    @extend_schema(operation_id="console_ticket", request=TicketRequestSerializer, responses={201: TicketSerializer})
    def post(self, request: Request, vm_id: uuid.UUID) -> Response:
        """A ticket that opens the VM's console once, within 30 seconds."""
        vm = vm_for_console(caller(request), vm_id)
        if vm is None:
            raise Http404
        wanted = TicketRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        secret, ticket = ticket_create(principal=principal_of(request), vm=vm, **wanted.validated_data)
        answer = TicketSerializer(
            {
                "ticket": secret,
                "url": f"/ws/vms/{vm.pk}/console?{urlencode({'ticket': secret})}",
                "expires_at": ticket.expires_at,
                "session": ticket.session_id,
                "mode": ticket.mode,
                "kind": ticket.kind,
            }
        )
        return Response(answer.data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class ConsoleSessionFilter(django_filters.FilterSet):
    """How the list of sessions can be narrowed."""

    vm = django_filters.UUIDFilter(field_name="vm_uuid")
    open = django_filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull")

    class Meta:
        model = ConsoleSession
        fields: list[str] = []


class ConsoleSessionListView(generics.ListAPIView[ConsoleSession]):
    """The caller's own sessions, and those at VMs that they see; newest first."""

    serializer_class = ConsoleSessionSerializer
    filterset_class = ConsoleSessionFilter
    ordering = ("-started_at", "id")
    queryset = ConsoleSession.objects.none()

    def get_queryset(self) -> QuerySet[ConsoleSession]:
        """Scoped to the caller."""
        return sessions_for(caller(self.request))


class ConsoleSessionView(generics.RetrieveAPIView[ConsoleSession]):
    """One session: its state, and why it ended."""

    serializer_class = ConsoleSessionSerializer
    lookup_url_kwarg = "session_id"
    queryset = ConsoleSession.objects.none()

    def get_queryset(self) -> QuerySet[ConsoleSession]:
        """Scoped to the caller."""
        return sessions_for(caller(self.request))

    @extend_schema(operation_id="console_set_mode", request=ModeSerializer, responses=ConsoleSessionSerializer)
    def patch(self, request: Request, session_id: uuid.UUID) -> Response:
        """Gives a live session the keyboard, or takes it away, from its next key on."""
        session = self.get_object()
        wanted = ModeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        session = session_set_mode(session=session, user=caller(request), mode=wanted.validated_data["mode"])
        return Response(ConsoleSessionSerializer(session).data)

    @extend_schema(responses={204: OpenApiResponse(description="It ends within seconds.")})
    def delete(self, request: Request, session_id: uuid.UUID) -> Response:
        """Ends the session: one's own, or any at a VM that one operates."""
        session_cut(session=self.get_object(), user=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
