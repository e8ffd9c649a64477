"""Guest links."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from common.serializers import StrictSerializer
from consoles.links import DEFAULT_SECONDS, LEAST_SECONDS, MOST_SECONDS, link_create, link_revoke
from consoles.models import ConsoleMode, GuestLink
from consoles.selectors import links_of
from vms.models import Vm
from vms.selectors import vm_for, vms_visible_to
from vms.services.machines import require_operator


class LinkRequestSerializer(StrictSerializer):
    """What a guest link is to be."""

    label = serializers.CharField(  # type: ignore[assignment]  # a field of this name, not the serializer's own label
        max_length=100, default="", allow_blank=True, help_text="Whom or what it is for."
    )
    mode = serializers.ChoiceField(choices=ConsoleMode.choices, default=ConsoleMode.VIEW)
    ttl_seconds = serializers.IntegerField(
        min_value=LEAST_SECONDS, max_value=MOST_SECONDS, default=DEFAULT_SECONDS, help_text="How long it is good for."
    )

    def validate_mode(self, value: str) -> ConsoleMode:
        """As Eve has it."""
        return ConsoleMode(value)


class LinkSerializer(serializers.ModelSerializer[GuestLink]):
    """A guest link, without its secret."""

    vm = serializers.UUIDField(source="vm_id", read_only=True)
    created_by = serializers.CharField(source="created_by.email", default="", read_only=True)

    class Meta:
        model = GuestLink
        fields = [
            "id",
            "vm",
            "label",
            "mode",
            "created_by",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "uses",
        ]
        read_only_fields = fields


class NewLinkSerializer(LinkSerializer):
    """A guest link that was just made: its address is told this once."""

    url = serializers.CharField(read_only=True)

    class Meta(LinkSerializer.Meta):
        fields = [*LinkSerializer.Meta.fields, "url"]
        read_only_fields = fields


class LinksView(APIView):
    """The guest links of one VM, for who operates it."""

    @extend_schema(operation_id="guest_links", responses=LinkSerializer(many=True))
    def get(self, request: Request, vm_id: uuid.UUID) -> Response:
        """All of them, the newest first; those that have ended stay for a while."""
        vm = _vm(request, vm_id)
        require_operator(caller(request), vm, action="guest_link.list")
        return Response(LinkSerializer(links_of(vm), many=True).data)

    @extend_schema(operation_id="guest_link_create", request=LinkRequestSerializer, responses={201: NewLinkSerializer})
    def post(self, request: Request, vm_id: uuid.UUID) -> Response:
        """Makes one. Whoever has its address sees the screen, without an account."""
        vm = _vm(request, vm_id)
        wanted = LinkRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        secret, link = link_create(vm=vm, user=caller(request), **wanted.validated_data)
        told = {**LinkSerializer(link).data, "url": link_address(secret)}
        return Response(told, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class LinkView(APIView):
    """One guest link."""

    @extend_schema(
        operation_id="guest_link_revoke",
        responses={204: OpenApiResponse(description="What it opened ends within seconds.")},
    )
    def delete(self, request: Request, link_id: uuid.UUID) -> Response:
        """Revokes it."""
        link = GuestLink.objects.filter(pk=link_id, vm__in=vms_visible_to(caller(request))).first()
        if link is None:
            raise Http404
        link_revoke(link=link, user=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def link_address(secret: str) -> str:
    """Where a visitor goes. The secret is in the fragment: it stays in the browser until it is sent by a form."""
    return f"{settings.PUBLIC_URL}/guest/#{secret}"


def _vm(request: Request, vm_id: uuid.UUID) -> Vm:
    vm = vm_for(caller(request), vm_id)
    if vm is None:
        raise Http404
    return vm
