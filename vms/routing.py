"""The websockets of virtual machines."""

from __future__ import annotations

from django.urls import path

from .consumers import LiveConsumer

websocket_urlpatterns = [
    path("ws/live", LiveConsumer.as_asgi()),  # type: ignore[arg-type] # an ASGI application
]
