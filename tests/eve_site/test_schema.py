"""The API's description: the same for everybody, written once in the life of a process."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client, RequestFactory, override_settings
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


MIB, TIB = 2**20, 2**40
BOUNDS = {
    "vcpus": (1, 512),
    "memory_bytes": (32 * MIB, 16 * TIB),
    "size_bytes": (MIB, 64 * TIB),
    "disk_bytes": (MIB, 64 * TIB),
}


@pytest.mark.parametrize(
    ("component", "names"),
    [
        ("VmCreateRequest", ["vcpus", "memory_bytes"]),
        ("NewDiskRequest", ["size_bytes"]),
        ("ResourcesRequest", ["vcpus", "memory_bytes"]),
        ("PatchedDiskSizeRequest", ["size_bytes"]),
        ("SizeCreateRequest", ["vcpus", "memory_bytes", "disk_bytes"]),
        ("PatchedSizeChangeRequest", ["vcpus", "memory_bytes", "disk_bytes"]),
    ],
)
def test_how_much_there_may_be_is_described(component: str, names: list[str]) -> None:
    of = described()["components"]["schemas"][component]["properties"]
    assert {name: (of[name]["minimum"], of[name]["maximum"]) for name in names} == {
        name: BOUNDS[name] for name in names
    }


VMS = "/api/v1/vms"
TYPES = {"string": str, "integer": int, "boolean": bool}


@functools.cache
def described() -> dict[str, Any]:
    """The description, written once for these tests."""
    return dict(json.loads(schema_written("json", "en")))


def too_often(cast: Cast) -> Any:
    """More requests than one a minute; three, as a minute may end in between."""
    api = cast.api(cast.owner)
    with override_settings(API_REQUESTS_PER_MINUTE=1):
        return [api.get(VMS) for _ in range(3)][-1]


REFUSED: dict[str, tuple[int, str, Callable[[Cast], Any]]] = {
    "not valid": (400, "invalid", lambda cast: cast.api(cast.owner).post(VMS, {"vcpus": "many"})),
    "no JSON": (
        400,
        "parse_error",
        lambda cast: cast.api(cast.owner).generic("POST", VMS, "{", content_type="application/json"),
    ),
    "a stranger": (401, "not_authenticated", lambda cast: cast.api().get(VMS)),
    "a wrong token": (401, "authentication_failed", lambda cast: cast.api().get(VMS, HTTP_AUTHORIZATION="Bearer no")),
    "may only look": (
        403,
        "not_allowed",
        lambda cast: cast.api(cast.viewer).patch(f"{VMS}/{cast.acme_vm.pk}/state", {"action": "stop"}),
    ),
    "not theirs": (404, "not_found", lambda cast: cast.api(cast.outsider).get(f"{VMS}/{cast.acme_vm.pk}")),
    "no such address": (404, "not_found", lambda cast: cast.api(cast.owner).get("/api/v1/nothing")),
    "no such method": (405, "method_not_allowed", lambda cast: cast.api(cast.owner).put(VMS, {})),
    "no such form": (406, "not_acceptable", lambda cast: cast.api(cast.owner).get(VMS, HTTP_ACCEPT="image/png")),
    "no such format": (
        415,
        "unsupported_media_type",
        lambda cast: cast.api(cast.owner).generic("POST", VMS, "a", content_type="text/plain"),
    ),
    "too often": (429, "too_many_requests", too_often),
}


@pytest.mark.parametrize("what", REFUSED)
@override_settings(API_REQUESTS_PER_MINUTE=0)
def test_each_refusal_is_as_it_says(cast: Cast, what: str) -> None:
    status, code, ask = REFUSED[what]
    problem = described()["components"]["schemas"]["Problem"]
    for operation in described()["paths"][VMS].values():
        (told,) = operation["responses"]["default"]["content"].items()
        assert told == ("application/problem+json", {"schema": {"$ref": "#/components/schemas/Problem"}})
    answer = ask(cast)
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert set(problem["required"]) <= set(body)
    assert "retryable" in problem["required"]
    for name in set(body) & {name for name, of in problem["properties"].items() if "type" in of}:
        assert type(body[name]) is TYPES[problem["properties"][name]["type"]], name
    assert body["retryable"] is (status == 429)
