"""The API's description: the same for everybody, written once in the life of a process."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.test import Client, RequestFactory
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView

from eve_site.schema import schema_written
from tests.cast import Cast

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/schema"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    schema_written.cache_clear()
    yield
    schema_written.cache_clear()


@pytest.mark.parametrize("accept", ["application/vnd.oai.openapi", "application/vnd.oai.openapi+json"])
def test_it_is_what_the_library_writes(client: Client, rf: RequestFactory, accept: str) -> None:
    expected = SpectacularAPIView.as_view()(rf.get(ADDRESS, headers={"Accept": accept})).render()
    answer = client.get(ADDRESS, headers={"Accept": accept})
    assert answer.content == expected.content
    for header in ("Content-Type", "Content-Disposition"):
        assert answer[header] == expected[header]


def test_it_is_written_once_for_everybody(client: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.get(ADDRESS, headers={"Accept": "application/json"})
    monkeypatch.setattr(SchemaGenerator, "get_schema", None)
    for query in ({}, {"version": "7"}, {"lang": "xx"}):
        again = cast.pages(cast.owner).get(ADDRESS, query, headers={"Accept": "application/json"})
        assert again.content == first.content
    assert "/api/v1/vms" in json.loads(first.content)["paths"]


def test_who_has_it_is_sent_nothing(client: Client) -> None:
    answer = client.get(ADDRESS)
    again = client.get(ADDRESS, headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert answer["Cache-Control"] == "no-cache"


def test_a_form_that_there_is_not_is_refused(client: Client) -> None:
    assert client.get(ADDRESS, headers={"Accept": "image/png"}).status_code == 406
