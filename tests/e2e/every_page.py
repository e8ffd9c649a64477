"""Every whole page that the URLconf knows, and who may open it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.addresses import Route

from .conftest import send_sign_in
from .house import House

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def whole_pages(
    browser: Browser, home: House, people: Iterable[str], routes: Iterable[Route], ids: Mapping[str, Any]
) -> dict[str, tuple[str, Route]]:
    """By a name for its picture: the first of `people` who may open it, and its route; `ids` fill in what routes name."""
    pages: dict[str, tuple[str, Route]] = {}
    left = {route.path(ids): route for route in routes if route.name != "logout"}
    for email in people:
        with closing(browser.new_context()) as context:
            send_sign_in(context.new_page(), home, email)
            for path, route in list(left.items()):
                answer = context.request.get(home.url + path, max_redirects=0)
                if answer.status == 200 and answer.body().lstrip().lower().startswith(b"<!doctype"):
                    name = re.sub(r"<(?:\w+:)?(\w+)>", r"\1", route.text).strip("/").replace("/", "-")
                    pages[name or "dashboard"] = (email, left.pop(path))
    return pages
