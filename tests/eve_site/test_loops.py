"""A proxy that does not say that the browser came by https, and one that asks for another name: told, not looped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from django.http import HttpResponse
from django.test import AsyncClient, Client

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., Awaitable[HttpResponse]]


@pytest.fixture
def ask(settings: SettingsWrapper) -> Ask:
    """A request of plain http to an Eve whose address is https."""
    settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = ["127.0.0.1"]

    async def get(path: str = "/login/", **headers: str) -> HttpResponse:
        return await AsyncClient().get(path, headers=headers)  # type: ignore[return-value]

    return get


async def test_plain_http_is_sent_to_https(ask: Ask) -> None:
    answer = await ask()
    assert answer.status_code == 301
    assert answer["Location"].startswith("https://")


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"sec-fetch-site": "none"}, "X-Forwarded-Proto $scheme"),
        ({"cookie": "__Host-eve-csrf=x"}, "X-Forwarded-Proto $scheme"),
        ({"sec-fetch-site": "none", "x-forwarded-for": "198.51.100.7"}, "X-Forwarded-Proto $scheme"),
    ],
)
async def test_a_browser_that_came_by_https_is_told(ask: Ask, headers: dict[str, str], says: str) -> None:
    answer = await ask(**headers)
    assert answer.status_code == 400
    assert says in answer.content.decode()


async def test_a_proxy_that_is_not_trusted(ask: Ask, settings: SettingsWrapper) -> None:
    settings.TRUSTED_PROXIES = []
    answer = await ask(**{"x-forwarded-proto": "https"})
    assert answer.status_code == 400
    assert "EVE_TRUSTED_PROXIES" in answer.content.decode()


async def test_what_is_never_redirected_is_as_before(ask: Ask) -> None:
    assert (await ask("/healthz", **{"sec-fetch-site": "none"})).status_code == 200


def test_another_name(client: Client) -> None:
    page = client.get("/login/", headers={"host": "upstream.example"})
    assert page.status_code == 400
    assert "proxy_set_header Host $http_host;" in page.content.decode()
    assert "upstream.example" not in page.content.decode()
    problem = client.get("/api/v1/me", headers={"host": "upstream.example"})
    assert problem.status_code == 400
    assert problem.json()["type"].endswith("another_name")
