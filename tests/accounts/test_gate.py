"""Every address of Eve asks for a sign-in, besides those that are named here; and no log holds a secret."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import LoginToken
from accounts.services import password_link
from tests.accounts.conftest import link_in
from tests.cast import Cast
from tests.factories import PASSWORD

OPEN = {
    "/login/",
    "/login/second/",
    "/logout/",
    "/invitation/",
    "/password/",
    "/password/set/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/login",
    "/api/v1/enrol",
    "/api/v1/schema",
    "/api/docs/",
}
"""For everybody; /metrics and the enrolment decide for themselves, the schema is that of the published source."""

NOBODY = uuid.UUID(int=0)
GUESTS = {"/guest/", *(f"/guest/{NOBODY}/{what}" for what in ("", "ticket", "state", f"sessions/{NOBODY}"))}
"""For guests: the first asks for a link's secret, the others for a session in which it was given (tests/consoles/test_guests.py)."""
_VALUES = {"uuid": str(NOBODY), "str": "x", "slug": "x", "int": "1", "path": "x"}


def addresses(resolver: URLResolver, prefix: str = "/") -> Iterator[str]:
    """An example of every address."""
    for entry in resolver.url_patterns:
        route = str(entry.pattern)
        for converter, value in _VALUES.items():
            while f"<{converter}:" in route:
                start = route.index(f"<{converter}:")
                route = route[:start] + value + route[route.index(">", start) + 1 :]
        route = route.replace("(?P<url>.*)$", "x").strip("^$")
        if isinstance(entry, URLPattern):
            yield prefix + route
        else:
            yield from addresses(entry, prefix + route)


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_nothing_is_open_by_mistake(method: str) -> None:
    every = set(addresses(get_resolver()))
    assert every >= OPEN | GUESTS
    is_open = []
    for address in sorted(every - OPEN - GUESTS):
        answer = getattr(Client(raise_request_exception=False), method)(address)
        asks = answer.get("Location", "").startswith(("/login/?next=", "/admin/login/?next="))
        if not asks and answer.status_code not in (401, 404, 405):
            is_open.append((address, answer.status_code, answer.get("Location")))
    assert is_open == []


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_no_other_site_changes_anything_by_a_cookie(cast: Cast, method: str) -> None:
    browser = cast.pages(cast.superuser, enforce_csrf_checks=True)
    browser.raise_request_exception = False
    answers = {address: getattr(browser, method)(address).status_code for address in set(addresses(get_resolver()))}
    taken = {address for address, status in answers.items() if status != 403}
    assert taken == {"/api/v1/login", "/api/v1/enrol"}, "these ask for what no cookie has"


def test_no_log_holds_a_secret(cast: Cast, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level("DEBUG")
    body = {"email": "olivia@acme.example", "password": PASSWORD}
    token = Client().post("/api/v1/login", body, content_type="application/json").json()["token"]
    secrets = [PASSWORD, token, token.split(".")[1], LoginToken.objects.get().digest]
    bearer: Any = {"headers": {"authorization": f"Bearer {token}"}}
    Client().get(f"/api/v1/me?token={token}", headers=bearer)
    Client().get(f"/no/such/page?token={token}", headers=bearer)
    Client().post("/api/v1/login", {**body, "email": "x"}, content_type="application/json")
    link = link_in(password_link(user=cast.owner))
    secrets += [link, link.split(".")[1]]
    browser = Client()
    browser.get("/password/set/", {"link": link})
    browser.post("/password/set/", {"password": "short", "again": "short"})
    Client().post("/login/", {"email": "olivia@acme.example", "password": PASSWORD, "next": "/"})
    said = caplog.text + "".join(capfd.readouterr())
    assert "/password/set/" in said, "the requests are logged"
    assert [secret for secret in secrets if secret in said] == []
