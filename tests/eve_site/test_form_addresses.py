"""The address of a form, opened like a page."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.cast import Cast


@pytest.mark.django_db
def test_it_is_told_and_leads_back(cast: Cast) -> None:
    """A browser shows it when the address of a refused form is opened again; an empty window would tell nothing."""
    browser = cast.pages(cast.owner)
    for form, page in (
        (f"/projects/{cast.acme.pk}/members/", f"/projects/{cast.acme.pk}/"),
        (f"/vms/{cast.acme_vm.pk}/guest/password/", f"/vms/{cast.acme_vm.pk}/guest/"),
        (f"/vms/{cast.acme_vm.pk}/change/grow/", f"/vms/{cast.acme_vm.pk}/"),
        ("/profile/name/", "/profile/"),
    ):
        answer = browser.get(form)
        assert (answer.status_code, answer["Allow"]) == (405, "POST")
        words = answer.content.decode()
        assert "only takes what a form sends" in words
        assert f'action="{page}"' in words


@pytest.mark.django_db
def test_programs_get_what_they_got(cast: Cast) -> None:
    assert cast.api(cast.owner).put("/api/v1/vms", {}).json()["code"] == "method_not_allowed"
    assert Client().head("/logout/").content == b""
