"""Notifications, what one wants to be told, and webhooks."""

from __future__ import annotations

import uuid
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import Project
from accounts.selectors import projects_visible_to
from accounts.services import owner_check
from notifications.models import Delivery, Kind, Notice, Way, Webhook
from notifications.selectors import choices_of, deliveries_of, notices_for, webhooks_owned_by
from notifications.services import (
    choices_set,
    delivery_again,
    notice_mark,
    notices_mark_all,
    webhook_create,
    webhook_delete,
    webhook_renew_secret,
    webhook_test,
    webhook_update,
)

from .serializers import (
    ChoicesChangeSerializer,
    ChoicesSerializer,
    DeliverySerializer,
    MarkedSerializer,
    NewWebhookSerializer,
    NoticeChangeSerializer,
    NoticeSerializer,
    WebhookChangeSerializer,
    WebhookRequestSerializer,
    WebhookSerializer,
)

_TOLD_ONCE = {"Cache-Control": "no-store"}


class NoticeFilter(django_filters.FilterSet):
    """How notifications are found."""

    is_read = django_filters.BooleanFilter(field_name="read_at", lookup_expr="isnull", exclude=True)
    kind = django_filters.ChoiceFilter(field_name="event__kind", choices=Kind.choices)
    project = django_filters.UUIDFilter(field_name="event__project_id")

    class Meta:
        model = Notice
        fields: list[str] = []


class NoticeListView(generics.ListAPIView[Notice]):
    """What the caller was told; newest first."""

    serializer_class = NoticeSerializer
    filterset_class = NoticeFilter
    ordering = ("-at", "id")
    queryset = Notice.objects.none()

    def get_queryset(self) -> QuerySet[Notice]:
        """The caller's own."""
        return notices_for(caller(self.request)).select_related("event")


class NoticeView(APIView):
    """One notification of the caller's."""

    @extend_schema(operation_id="notification_update", request=NoticeChangeSerializer, responses=NoticeSerializer)
    def patch(self, request: Request, notice_id: uuid.UUID) -> Response:
        """Marks it as read, or as unread."""
        found = notices_for(caller(request)).select_related("event")
        notice = get_object_or_404(found, pk=notice_id)
        wanted = NoticeChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response(NoticeSerializer(notice_mark(notice=notice, **wanted.validated_data)).data)


class NoticesReadView(APIView):
    """All notifications of the caller's."""

    @extend_schema(operation_id="notifications_read", request=None, responses=MarkedSerializer)
    def post(self, request: Request) -> Response:
        """Marks all as read."""
        return Response(MarkedSerializer({"marked": notices_mark_all(user=caller(request))}).data)


class ChoicesView(APIView):
    """What the caller wants to be told."""

    @extend_schema(operation_id="notification_choices", responses=ChoicesSerializer)
    def get(self, request: Request) -> Response:
        """For all projects that have no choice of their own, and for hosts."""
        return _choices(request, None)

    @extend_schema(
        operation_id="notification_choices_set", request=ChoicesChangeSerializer, responses=ChoicesSerializer
    )
    def put(self, request: Request) -> Response:
        """Changes the fields that are named."""
        return _choose(request, None)


class ProjectChoicesView(APIView):
    """What the caller wants to be told of one project."""

    @extend_schema(operation_id="project_notification_choices", responses=ChoicesSerializer)
    def get(self, request: Request, project_id: uuid.UUID) -> Response:
        """The caller's own, of this project."""
        return _choices(request, _project(request, project_id))

    @extend_schema(
        operation_id="project_notification_choices_set", request=ChoicesChangeSerializer, responses=ChoicesSerializer
    )
    def put(self, request: Request, project_id: uuid.UUID) -> Response:
        """Changes the fields that are named."""
        return _choose(request, _project(request, project_id))


class ProjectWebhooksView(generics.ListAPIView[Webhook]):
    """The webhooks of a project; owners only."""

    serializer_class = WebhookSerializer
    ordering = ("name", "id")
    queryset = Webhook.objects.none()

    def get_queryset(self) -> QuerySet[Webhook]:
        """Of a project that the caller owns."""
        project = _owned(self.request, self.kwargs["project_id"])
        return webhooks_owned_by(caller(self.request)).filter(project=project)

    @extend_schema(
        operation_id="project_webhook_create", request=WebhookRequestSerializer, responses={201: NewWebhookSerializer}
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Makes one: the answer's `secret` is told this once."""
        return _made(request, _owned(request, project_id))


class WebhooksView(generics.ListAPIView[Webhook]):
    """The caller's own webhooks, of the hosts that they look after; staff only."""

    serializer_class = WebhookSerializer
    ordering = ("name", "id")
    queryset = Webhook.objects.none()

    def get_queryset(self) -> QuerySet[Webhook]:
        """The caller's own."""
        return webhooks_owned_by(_staff(self.request)).filter(project=None)

    @extend_schema(
        operation_id="webhook_create", request=WebhookRequestSerializer, responses={201: NewWebhookSerializer}
    )
    def post(self, request: Request) -> Response:
        """Makes one: the answer's `secret` is told this once."""
        _staff(request)
        return _made(request, None)


class WebhookView(APIView):
    """One webhook."""

    @extend_schema(operation_id="webhook_get", responses=WebhookSerializer)
    def get(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """The webhook."""
        return Response(WebhookSerializer(_webhook(request, webhook_id)).data)

    @extend_schema(operation_id="webhook_update", request=WebhookChangeSerializer, responses=WebhookSerializer)
    def patch(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Changes it."""
        webhook = _webhook(request, webhook_id)
        wanted = WebhookChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        changed = webhook_update(webhook=webhook, by=caller(request), **wanted.validated_data)
        return Response(WebhookSerializer(changed).data)

    @extend_schema(operation_id="webhook_delete", responses={204: OpenApiResponse(description="It is gone.")})
    def delete(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Deletes it, and what waits for it."""
        webhook_delete(webhook=_webhook(request, webhook_id), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookSecretView(APIView):
    """The secret of a webhook."""

    @extend_schema(operation_id="webhook_secret_renew", request=None, responses={201: NewWebhookSerializer})
    def post(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Makes another one, told this once; the old one signs nothing any more. Who does so answers for the webhook."""
        secret, webhook = webhook_renew_secret(webhook=_webhook(request, webhook_id), by=caller(request))
        return _with_secret(webhook, secret)


class WebhookTestView(APIView):
    """A test of a webhook."""

    @extend_schema(operation_id="webhook_test", request=None, responses={202: DeliverySerializer})
    def post(self, request: Request, webhook_id: uuid.UUID) -> Response:
        """Sends it a test, with retries like anything else."""
        delivery = webhook_test(webhook=_webhook(request, webhook_id), by=caller(request))
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_202_ACCEPTED)


class DeliveriesView(generics.ListAPIView[Delivery]):
    """What a webhook was sent; newest first."""

    serializer_class = DeliverySerializer
    ordering = ("-created_at", "id")
    queryset = Delivery.objects.none()

    def get_queryset(self) -> QuerySet[Delivery]:
        """Of a webhook of the caller's."""
        return deliveries_of(_webhook(self.request, self.kwargs["webhook_id"]))


class DeliveryAgainView(APIView):
    """What did not arrive at a webhook."""

    @extend_schema(operation_id="webhook_delivery_again", request=None, responses={202: DeliverySerializer})
    def post(self, request: Request, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> Response:
        """Sends it once more, under the same id."""
        found = get_object_or_404(deliveries_of(_webhook(request, webhook_id)), pk=delivery_id)
        delivery = delivery_again(delivery=found, by=caller(request))
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_202_ACCEPTED)


def _choices(request: Request, project: Project | None) -> Response:
    found = choices_of(caller(request), project)
    return Response(ChoicesSerializer({"choices": found}).data)


def _choose(request: Request, project: Project | None) -> Response:
    wanted = ChoicesChangeSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    fields = {(Kind(each["kind"]), Way(each["way"])): each["is_on"] for each in wanted.validated_data["choices"]}
    known = {(each.kind, each.way) for each in choices_of(caller(request), project)}
    choices_set(
        user=caller(request),
        project=project,
        wanted={field: is_on for field, is_on in fields.items() if field in known},
    )
    return _choices(request, project)


def _made(request: Request, project: Project | None) -> Response:
    wanted = WebhookRequestSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    secret, webhook = webhook_create(project=project, by=caller(request), **wanted.validated_data)
    return _with_secret(webhook, secret)


def _with_secret(webhook: Webhook, secret: str) -> Response:
    told: dict[str, Any] = {**WebhookSerializer(webhook).data, "secret": secret}
    return Response(told, status=status.HTTP_201_CREATED, headers=_TOLD_ONCE)


def _staff(request: Request) -> Any:
    user = caller(request)
    if not user.is_staff:
        raise Http404
    return user


def _project(request: Request, project_id: uuid.UUID) -> Project:
    return get_object_or_404(projects_visible_to(caller(request)), pk=project_id)


def _owned(request: Request, project_id: uuid.UUID) -> Project:
    project = _project(request, project_id)
    owner_check(by=caller(request), project=project)
    return project


def _webhook(request: Request, webhook_id: uuid.UUID) -> Webhook:
    return get_object_or_404(webhooks_owned_by(caller(request)), pk=webhook_id)
