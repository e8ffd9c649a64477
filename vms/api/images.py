"""Images in the API: seen, announced, sent, changed, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import User
from accounts.selectors import projects_visible_to
from common.pieces import PIECE_BYTES
from hypervisors.selectors import hypervisors_for
from operations.idempotency import HEADER, operation_once, request_digest
from operations.models import Operation
from vms.images import image_for, images_for, sites_known_to
from vms.models import Image
from vms.services import (
    NewImage,
    image_check,
    image_delete,
    image_fetch,
    image_take,
    image_update,
    image_upload,
)
from vms.uploads import piece_send, upload_received

from .choosing import chosen
from .filters import ImageFilter
from .image_serializers import (
    ImageChangeSerializer,
    ImageCreatedSerializer,
    ImageCreateSerializer,
    ImageSerializer,
    UploadFinishSerializer,
    UploadSerializer,
)
from .serializers import OperationAddressSerializer
from .views import IDEMPOTENCY_KEY, once_here

_READ_BYTES = 256 * 1024


class ImageListView(generics.ListAPIView[Image]):
    """The images that you see: public ones, those of your projects (staff: of your sites)."""

    queryset = Image.objects.none()
    serializer_class = ImageSerializer
    filterset_class = ImageFilter
    ordering: ClassVar[tuple[str, ...]] = ("name", "id")

    def get_queryset(self) -> QuerySet[Image]:
        """The caller's own."""
        return images_for(caller(self.request))

    @extend_schema(
        operation_id="image_create",
        request=ImageCreateSerializer,
        responses={201: ImageCreatedSerializer, 202: ImageCreatedSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        """Announces one: 202 with its operation, or 201 for an upload, whose bytes go to `/images/{id}/data`."""
        body = ImageCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user, data = caller(request), body.validated_data
        wanted = wanted_of(data, user)
        if "size_bytes" in data:
            image = image_upload(wanted=wanted, size_bytes=data["size_bytes"], user=user)
            return Response(
                ImageCreatedSerializer({"image": image, "operation": None}).data,
                status=status.HTTP_201_CREATED,
                headers={"Location": f"/api/v1/images/{image.pk}"},
            )
        operation = operation_once(
            user=user,
            key=request.headers.get(HEADER, ""),
            digest=request_digest("image.create", request.data),
            make=partial(_make, wanted, data, user),
        )
        address = operation.api_path
        made = images_for(user).filter(pk=operation.target_id).first()
        return Response(
            ImageCreatedSerializer({"image": made, "operation": address}).data,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": address},
        )


class ImageView(APIView):
    """One image."""

    @extend_schema(operation_id="image", responses=ImageSerializer)
    def get(self, request: Request, image_id: UUID) -> Response:
        """Shows it."""
        return Response(ImageSerializer(_image(request, image_id)).data)

    @extend_schema(operation_id="image_update", request=ImageChangeSerializer, responses=ImageSerializer)
    def patch(self, request: Request, image_id: UUID) -> Response:
        """Changes its name or remarks; owners of its project, staff of its site."""
        image = _image(request, image_id)
        wanted = ImageChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response(ImageSerializer(image_update(image=image, user=caller(request), **wanted.validated_data)).data)

    @extend_schema(
        operation_id="image_delete", responses={202: OperationAddressSerializer}, parameters=[IDEMPOTENCY_KEY]
    )
    def delete(self, request: Request, image_id: UUID) -> Response:
        """Deletes it from every host, unless virtual machines use it: 202 with the operation's address."""
        return once_here(request, lambda: image_delete(image=_image(request, image_id), user=caller(request)))


class ImageDataView(APIView):
    """The bytes of an upload, sent in pieces; a broken one goes on where it was."""

    @extend_schema(operation_id="image_data", responses=UploadSerializer)
    def get(self, request: Request, image_id: UUID) -> Response:
        """How many bytes have arrived."""
        image = _image(request, image_id)
        return _upload(image, upload_received(image=image, user=caller(request)))

    @extend_schema(
        operation_id="image_data_send",
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses=UploadSerializer,
        parameters=[OpenApiParameter("offset", int, required=True, description="Of the piece within the file.")],
    )
    def put(self, request: Request, image_id: UUID) -> Response:
        """Sends a piece, at the place where the last one ended (or before: what was there is replaced)."""
        image = _image(request, image_id)
        offset = request.query_params.get("offset", "")
        length = request.headers.get("Content-Length", "")
        if not (offset.isascii() and offset.isdigit() and len(offset) < 20):
            raise ValidationError({"offset": "A number of bytes."})
        sent = piece_send(
            image=image,
            user=caller(request),
            offset=int(offset),
            length=int(length or 0),
            data=_pieces(request._request),
        )
        return _upload(image, sent)

    @extend_schema(
        operation_id="image_data_finish",
        request=UploadFinishSerializer,
        responses={202: OperationAddressSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, image_id: UUID) -> Response:
        """All is sent: the host checks it. 202 with the operation's address."""
        wanted = UploadFinishSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return once_here(
            request,
            lambda: image_check(image=_image(request, image_id), user=caller(request), **wanted.validated_data),
        )


def wanted_of(data: dict[str, Any], user: User) -> NewImage:
    """What a checked request asks for. Raises ValidationError for what the user does not see."""
    return NewImage(
        name=data["name"],
        site=chosen(data, "site", sites_known_to(user)),
        project=chosen(data, "project", projects_visible_to(user).filter(is_active=True)),
        kind=data["kind"],
        format=data["format"],
        sha256=data["sha256"],
        remarks=data["remarks"],
    )


def _make(wanted: NewImage, data: dict[str, Any], user: User) -> Operation:
    if "url" in data:
        return image_fetch(wanted=wanted, url=data["url"], user=user)
    volume = data["volume"]
    hypervisor = chosen(volume, "hypervisor", hypervisors_for(user))
    assert hypervisor is not None  # the serializer asks for it
    return image_take(wanted=wanted, hypervisor=hypervisor, pool=volume["pool"], volume=volume["name"], user=user)


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    while data := request.read(_READ_BYTES):
        yield data


def _upload(image: Image, received_bytes: int) -> Response:
    answer = {"received_bytes": received_bytes, "size_bytes": image.size_bytes, "piece_bytes": PIECE_BYTES}
    return Response(UploadSerializer(answer).data)


def _image(request: Request, image_id: UUID) -> Image:
    image = image_for(caller(request), image_id)
    if image is None:
        raise Http404
    return image
