"""What customers may plug network cards into, in the API; for the staff of a site."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from common.serializers import StrictSerializer
from hypervisors.models import Site
from hypervisors.selectors import sites_for
from vms.models import NicKind
from vms.networks import networks_of
from vms.services import network_set_open

from .changes import found, given


class SiteNetworkSerializer(serializers.Serializer[Any]):
    """A network or bridge of the site's hosts. `is_open`: customers may use it; the default network stays so."""

    kind = serializers.ChoiceField(choices=NicKind.choices)
    name = serializers.CharField()
    is_open = serializers.BooleanField()
    is_default = serializers.BooleanField()


class SiteNetworkChangeSerializer(StrictSerializer):
    """Opens a network or bridge to customers, or closes it."""

    kind = serializers.ChoiceField(choices=NicKind.choices)
    name = serializers.CharField(max_length=255)
    is_open = serializers.BooleanField()


class SiteNetworksView(APIView):
    """The networks of a site; staff only."""

    @extend_schema(operation_id="site_networks", responses=SiteNetworkSerializer(many=True))
    def get(self, request: Request, site_id: UUID) -> Response:
        """What its hosts have, and which of it customers may use."""
        return Response(SiteNetworkSerializer(networks_of(_site(request, site_id)), many=True).data)

    @extend_schema(
        operation_id="site_network_set",
        request=SiteNetworkChangeSerializer,
        responses=SiteNetworkSerializer(many=True),
    )
    def patch(self, request: Request, site_id: UUID) -> Response:
        """Opens one to customers, or closes it; machines that use it go on doing so."""
        site = _site(request, site_id)
        network_set_open(site=site, user=caller(request), **given(SiteNetworkChangeSerializer, request))
        return Response(SiteNetworkSerializer(networks_of(site), many=True).data)


def _site(request: Request, site_id: UUID) -> Site:
    return found(sites_for(caller(request)).filter(pk=site_id))
