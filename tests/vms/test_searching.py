"""The search through everything: what each finds, what nobody else's search tells, and what it costs."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Project, Role, User
from hypervisors.models import Site
from tests.cast import Cast
from tests.vms.test_lists import vms_make
from vms.models import Image, Vm
from vms.page_names import pages_for
from vms.searching import SHOWN, search

pytestmark = pytest.mark.django_db

EVERY_WORD = ("acme", "otto", "olivia", "hv-", "here", "ubuntu", "a", "e", "o")
PATTERNS = ("%", "_", "\\", "'", '"', "%00", "%' OR 1=1 --", "1.2.3.4", "::", "....")
MARKS = ("<script>", "{{ text }}", "\0", "a\0b", " ", "\u202eacme", "👩🏽\u200d💻", "شبكة", "\ufffd", "w" * 5000)


@pytest.fixture
def images(cast: Cast) -> None:
    Image.objects.create(name="ubuntu-everybodys", site=cast.there)
    Image.objects.create(name="ubuntu-acmes", site=cast.here, project=cast.acme)
    Image.objects.create(name="ubuntu-ottos", site=cast.there, project=cast.ottos)


def found(user: User, text: str) -> dict[str, list[str]]:
    """The names of what is found, by the names of its kinds."""
    return {str(group.kind.label): [hit.name for hit in group.found.hits] for group in search(user, text)}


def all_names(user: User) -> set[str]:
    """Whatever some words find, but for Eve's own pages, with what stands beside it."""
    groups = [group for word in EVERY_WORD for group in search(user, word) if str(group.kind.label) != "Pages"]
    return {words for group in groups for hit in group.found.hits for words in (hit.name, hit.about) if words}


def test_members_find_what_is_their_projects(cast: Cast, images: None) -> None:
    for user in (cast.owner, cast.operator, cast.viewer):
        assert found(user, "acme") == {
            "Your virtual machines": ["acme-web"],
            "Images": ["ubuntu-acmes"],
            "Your projects": ["Acme"],
        }
        assert found(user, "ubuntu") == {"Images": ["ubuntu-acmes", "ubuntu-everybodys"]}
        assert not any("otto" in name.lower() for name in all_names(user))
        assert found(user, "otto") == found(user, str(cast.ottos_vm.pk)) == {}


def test_staff_of_a_site_find_what_is_there(cast: Cast, images: None) -> None:
    assert found(cast.staff_here, "here") == {
        "Virtual machines on your hosts": ["acme-web"],
        "Hosts": ["hv-here"],
        "Sites": ["here"],
        "Your projects": ["Hera Here"],
    }
    assert found(cast.staff_here, "aud") == {"Pages": ["Audit"]}
    assert found(cast.staff_here, "ubuntu") == {
        "Images at your sites": ["ubuntu-acmes"],
        "Images": ["ubuntu-everybodys"],
    }
    assert not any(re.search("otto|hv-there|olivia", name.lower()) for name in all_names(cast.staff_here))
    assert found(cast.staff_here, "users") == {}


def test_staff_of_every_site_find_everything(cast: Cast, images: None) -> None:
    for user in (cast.staff_everywhere, cast.superuser):
        assert found(user, "otto") == {
            "Virtual machines on your hosts": ["otto-mail"],
            "Images at your sites": ["ubuntu-ottos"],
            "Projects": ["Otto Outsider", "Ottos"],
            "Users": ["Otto Outsider"],
        }
        assert found(user, "here")["Sites"] == ["here", "there"]
        assert found(user, "users") == {"Pages": ["Users"]}


def test_who_leaves_finds_it_no_longer(cast: Cast) -> None:
    Membership.objects.filter(user=cast.viewer, project=cast.acme).delete()
    assert found(cast.viewer, "acme") == {}
    Project.objects.filter(pk=cast.acme.pk).update(is_active=False)
    assert found(cast.owner, "acme") == {}
    assert found(cast.superuser, "acme")["Projects"][0] == "Acme"


def test_a_machine_is_found_by_what_its_list_finds_it_by(cast: Cast) -> None:
    addresses = [{"address": text, "prefix": 24} for text in ("192.0.2.31", "2001:db8::5")]
    Vm.objects.filter(pk=cast.acme_vm.pk).update(remarks="the shop's Database", guest={"addresses": addresses})
    texts = (
        "ACME",
        "database",
        str(cast.acme_vm.pk),
        "hv-here",
        "192.0.2.31",
        "192.0.",
        "2001:db8::5",
        "2001:0DB8:0::5",
    )
    for text in texts:
        assert found(cast.owner, text)["Your virtual machines"] == ["acme-web"], text
        assert found(cast.outsider, text) == {}
    assert found(cast.owner, "92.0.2.31") == {}


def test_what_is_called_so_comes_first(cast: Cast) -> None:
    for name in ("a-web", "other", "web-b"):
        Vm.objects.create(
            pk=uuid4(),
            name=name,
            project=cast.acme,
            hypervisor=cast.hypervisor_here,
            vcpus=1,
            memory_bytes=1,
            remarks="web",
        )
    assert found(cast.owner, "web") == {"Your virtual machines": ["web-b", "a-web", "acme-web", "other"]}


def test_a_few_are_shown_and_the_list_has_all(cast: Cast) -> None:
    vms_make(cast, 37)
    for user in (cast.owner, cast.staff_here, cast.superuser):
        browser = cast.pages(user)
        html = browser.get("/search/", {"q": "vm-0"}).content.decode()
        assert len(re.findall(r"<bdi>vm-00\d\d</bdi>", html)) == SHOWN
        link = re.search(r'href="([^"]+)">All 37<', html)
        assert link is not None
        page = browser.get(link[1]).context["page_obj"]
        assert page.paginator.count == 37


def test_where_there_is_no_list_more_of_the_name_is_asked_for(cast: Cast) -> None:
    for project in Project.objects.bulk_create(Project(name=f"lab-{number}") for number in range(SHOWN + 2)):
        Membership.objects.create(user=cast.owner, project=project, role=Role.VIEWER)
    html = cast.pages(cast.owner).get("/search/", {"q": "lab"}).content.decode()
    assert "2 more: write more of the name." in html
    assert "All 7" not in html


@pytest.mark.parametrize("text", [*PATTERNS, *MARKS])
def test_nothing_that_is_typed_does_harm(cast: Cast, text: str) -> None:
    for user in (cast.outsider, cast.superuser):
        for part in ({}, {"part": "1"}):
            answer = cast.pages(user).get("/search/", {"q": text, **part})
            assert answer.status_code == 200
            assert b"<script>" not in answer.content
            assert user == cast.superuser or b"acme-web" not in answer.content


def test_marks_of_patterns_are_letters(cast: Cast) -> None:
    Vm.objects.filter(pk=cast.acme_vm.pk).update(name="100%_sure")
    for text in ("0%_s", "%", "_"):
        assert found(cast.owner, text) == {"Your virtual machines": ["100%_sure"]}
    assert found(cast.owner, "1%e") == {}


@pytest.mark.parametrize("who", ["owner", "staff_here", "superuser"])
def test_queries_do_not_grow(cast: Cast, who: str) -> None:
    browser = cast.pages(getattr(cast, who))

    def queries(text: str) -> int:
        with CaptureQueriesContext(connection) as caught:
            assert browser.get("/search/", {"q": text, "part": "1"}).status_code == 200
        return len(caught)

    few = queries("nothing like it")
    vms_make(cast, 200)
    Site.objects.bulk_create(Site(name=f"vm-site-{number}") for number in range(20))
    assert queries("vm-") == queries("v") == few <= 12


def test_pages_that_are_found_are_there(cast: Cast) -> None:
    for user in cast.everybody.values():
        browser = cast.pages(user)
        for page in pages_for(user):
            answer = browser.get(page.url.partition("#")[0])
            is_asked_again = answer.status_code == 302 and answer.url.startswith("/profile/confirm/")
            assert answer.status_code == 200 or is_asked_again, page.url


def test_an_anchor_is_on_its_page(cast: Cast) -> None:
    browser = cast.pages(cast.owner)
    anchored = [page for page in pages_for(cast.owner) if page.anchor]
    assert anchored
    for page in anchored:
        assert f'id="{page.anchor.removeprefix("#")}"' in browser.get(page.url).content.decode()


def test_it_says_what_is_searched(cast: Cast) -> None:
    def text_of(query: dict[str, Any]) -> str:
        return cast.pages(cast.owner).get("/search/", query).content.decode()

    for query, title in (({}, "What is searched"), ({"q": "no such thing"}, "Nothing found")):
        html = text_of(query)
        assert title in html
        assert "Name, remarks, host, address or id" in html
        assert "Users" not in html
    assert text_of({"part": "1"}).strip() == ""


def test_who_is_not_signed_in_is_asked_to(cast: Cast) -> None:
    assert cast.pages().get("/search/", {"q": "acme"}).status_code == 302
    assert cast.pages(cast.owner).post("/search/", {"q": "acme"}).status_code == 405
