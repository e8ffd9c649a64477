"""All addresses that Eve answers at, from the URLconf, so that none is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

PAGE_IDS = frozenset(
    {
        "vm_id",
        "project_id",
        "user_id",
        "hypervisor_id",
        "image_id",
        "size_id",
        "pool",
        "screenshot_id",
        "webhook_id",
        "object_id",
        "app_label",
    }
)
"""What addresses of whole pages name."""


@dataclass(frozen=True)
class Route:
    """One address, with names for what differs."""

    name: str
    text: str
    """Such as ``/vms/<uuid:vm_id>/``."""

    @property
    def ids(self) -> frozenset[str]:
        """The names in it."""
        return frozenset(re.findall(r"<(?:\w+:)?(\w+)>", self.text))

    @property
    def model(self) -> str:
        """Of a page of Django admin: application and model."""
        return "/".join(self.text.split("/")[2:4])

    def path(self, ids: Mapping[str, Any]) -> str:
        """The address with these ids; an ``object_id`` of Django admin by its model. Raises KeyError."""
        is_of_model = self.text.startswith("/admin/") and not self.model.startswith("r/")  # which leads to any model's

        def fill(found: re.Match[str]) -> str:
            name = found[1]
            return str(ids[self.model if is_of_model and name == "object_id" else name])

        return re.sub(r"<(?:\w+:)?(\w+)>", fill, self.text)


def routes() -> list[Route]:
    """All of them."""
    return [Route(pattern.name or "", _plain(text)) for text, pattern in _walk(get_resolver())]


def page_routes() -> list[Route]:
    """Those where a whole page may be: not the API's, and with what pages name only."""
    return [route for route in routes() if not route.text.startswith("/api/") and route.ids <= PAGE_IDS]


def _walk(resolver: URLResolver, start: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for part in resolver.url_patterns:
        route = start + str(part.pattern)
        if isinstance(part, URLPattern):
            yield route, part
        else:
            yield from _walk(part, route)


def _plain(text: str) -> str:
    return re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", text).replace("^", "").rstrip("$")
