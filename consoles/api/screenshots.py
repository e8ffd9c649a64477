"""The time line of a VM's screen."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from consoles.models import Screenshot
from consoles.timeline import screenshot_delete, screenshot_take, screenshots_of
from vms.models import Vm
from vms.selectors import vm_for


class ScreenshotSerializer(serializers.ModelSerializer[Screenshot]):
    """A picture on the time line."""

    vm = serializers.UUIDField(source="vm_id", read_only=True)
    taken_by = serializers.CharField(
        source="taken_by.email", default="", read_only=True, help_text="Who kept it; empty for what Eve took by itself."
    )

    class Meta:
        model = Screenshot
        fields = ["id", "vm", "kind", "taken_at", "taken_by", "width", "height", "size_bytes"]
        read_only_fields = fields


class ScreenshotsView(APIView):
    """The pictures of one VM's screen."""

    @extend_schema(operation_id="screenshots", responses=ScreenshotSerializer(many=True))
    def get(self, request: Request, vm_id: uuid.UUID) -> Response:
        """All that are kept, the newest first: taken after a start, at a crash, when a watchdog bit, or by hand."""
        return Response(ScreenshotSerializer(screenshots_of(_vm(request, vm_id)), many=True).data)

    @extend_schema(operation_id="screenshot_take", request=None, responses={201: ScreenshotSerializer})
    def post(self, request: Request, vm_id: uuid.UUID) -> Response:
        """Keeps a picture of the screen as it is now."""
        screenshot = screenshot_take(vm=_vm(request, vm_id), user=caller(request))
        return Response(
            ScreenshotSerializer(screenshot).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/vms/{vm_id}/screenshots/{screenshot.pk}"},
        )


class ScreenshotView(APIView):
    """One of them."""

    @extend_schema(operation_id="screenshot", responses=ScreenshotSerializer)
    def get(self, request: Request, vm_id: uuid.UUID, screenshot_id: uuid.UUID) -> Response:
        """When it was taken, why, and how large it is."""
        return Response(ScreenshotSerializer(_screenshot(request, vm_id, screenshot_id)).data)

    @extend_schema(operation_id="screenshot_delete", responses={204: OpenApiResponse(description="It is gone.")})
    def delete(self, request: Request, vm_id: uuid.UUID, screenshot_id: uuid.UUID) -> Response:
        """Deletes it."""
        screenshot_delete(screenshot=_screenshot(request, vm_id, screenshot_id), user=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PictureView(APIView):
    """What it shows."""

    @extend_schema(
        operation_id="screenshot_picture",
        parameters=[OpenApiParameter("size", str, enum=["whole", "small"])],
        responses={(200, "image/png"): OpenApiResponse(OpenApiTypes.BINARY, description="A PNG that Eve encoded.")},
    )
    def get(self, request: Request, vm_id: uuid.UUID, screenshot_id: uuid.UUID) -> HttpResponse:
        """The picture; small for a list."""
        screenshot = _screenshot(request, vm_id, screenshot_id)
        is_small = request.query_params.get("size") == "small"
        return HttpResponse(
            bytes(screenshot.thumbnail if is_small else screenshot.png),
            content_type="image/png",
            headers={"Cache-Control": "private, no-store", "Content-Security-Policy": "default-src 'none'; sandbox"},
        )


def _vm(request: Request, vm_id: uuid.UUID) -> Vm:
    vm = vm_for(caller(request), vm_id)
    if vm is None:
        raise Http404
    return vm


def _screenshot(request: Request, vm_id: uuid.UUID, screenshot_id: uuid.UUID) -> Screenshot:
    vm = _vm(request, vm_id)
    screenshot = screenshots_of(vm).filter(pk=screenshot_id).first()
    if screenshot is None:
        raise Http404
    screenshot.vm = vm
    return screenshot
