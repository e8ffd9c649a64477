"""The websockets of consoles."""

from __future__ import annotations

from django.urls import path

from .consumers import ConsoleConsumer
from .doctor.echo import EchoConsumer

websocket_urlpatterns = [
    path("ws/vms/<uuid:vm_id>/console", ConsoleConsumer.as_asgi()),  # type: ignore[arg-type] # an ASGI application
    path("ws/vms/<uuid:vm_id>/doctor", EchoConsumer.as_asgi()),  # type: ignore[arg-type] # an ASGI application
]
