"""Faults outside of any view: a page or problem details, and a word of its own while the database is away."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path

from eve_site.api_errors import server_error
from eve_site.urls import urlpatterns as of_eve
from tests.cast import Cast


@login_not_required
def away(request: HttpRequest) -> HttpResponse:
    raise OperationalError("no connection")


urlpatterns = [path("away/", away), *of_eve]
handler500 = "eve_site.api_errors.server_error"


def answer(error: Exception, path: str) -> HttpResponse:
    request: HttpRequest = RequestFactory().get(path)
    try:
        raise error
    except Exception:
        return server_error(request)


@pytest.mark.parametrize("error", [OperationalError("no connection"), InterfaceError("closed")])
def test_while_the_database_is_away_it_is_said(error: Exception) -> None:
    page = answer(error, "/vms/")
    assert page.status_code == 503
    assert "Its database does not answer, so nothing was changed." in page.content.decode()
    assert page["Retry-After"] == "30"
    problem = json.loads(answer(error, "/api/v1/vms").content)
    assert (problem["status"], problem["detail"].split(".")[0]) == (503, "Eve's database does not answer")


def test_a_fault_of_eves_own_is_another_thing() -> None:
    assert answer(ValueError("x"), "/vms/").status_code == 500
    assert json.loads(answer(ValueError("x"), "/api/v1/vms").content)["status"] == 500


def test_json_that_is_nested_too_deep_is_no_fault() -> None:
    refused = Client().post("/api/v1/login", "[" * 100_000, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (400, "parse_error")


@pytest.mark.urls("tests.eve_site.test_api_errors")
async def test_so_it_is_however_eve_is_served() -> None:
    """The fault is known where the page is made: in the thread of a request of ASGI too."""
    assert (await AsyncClient(raise_request_exception=False).get("/away/")).status_code == 503


@pytest.mark.urls("tests.eve_site.test_api_errors")
def test_so_it_is_by_wsgi() -> None:
    assert Client(raise_request_exception=False).get("/away/").status_code == 503


@pytest.mark.django_db
def test_what_is_gone_when_a_form_comes_is_said_with_the_way_back(cast: Cast) -> None:
    browser, gone = cast.pages(cast.superuser), f"/manage/drift/forget/{uuid4()}/"
    answer = browser.post(gone, headers={"referer": "http://testserver/manage/drift/?q=a"})
    assert answer.status_code == 404
    assert "It is not there any more" in answer.content.decode()
    assert 'href="http://testserver/manage/drift/?q=a"' in answer.content.decode()
    elsewhere = browser.post(gone, headers={"referer": "http://evil.example/"}).content.decode()
    assert "evil.example" not in elsewhere
    assert "There is no such page" in elsewhere
