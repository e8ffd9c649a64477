"""Staff's pages of users and projects: for staff of every site; what may be done there is decided by the services."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, LoginToken, Membership, Project, Role, User
from accounts.services import token_create
from tests.factories import make_project, make_user, make_vm
from vms.models import Vm

from .test_staff import page, words

STAFF_OF_ALL = ("staff_everywhere", "superuser")
OTHERS = ("owner", "viewer", "staff_here", "staff_there")


def addresses(cast):
    return [
        "/manage/users/",
        "/manage/users/new/",
        f"/manage/users/{cast.owner.pk}/",
        "/manage/projects/",
        "/manage/projects/new/",
        f"/manage/projects/{cast.acme.pk}/",
    ]


def send(cast, part, address, **data):
    return cast.pages(getattr(cast, part)).post(address, data, follow=True)


def said(answer):
    return words(answer.content.decode()).replace("&#x27;", "'")


@pytest.mark.parametrize("part", STAFF_OF_ALL)
def test_staff_of_every_site_have_them(cast, part):
    for address in addresses(cast):
        page(cast, getattr(cast, part), address)


@pytest.mark.parametrize("part", OTHERS)
def test_for_others_they_are_not_there(cast, part):
    for address in addresses(cast):
        assert cast.pages(getattr(cast, part)).get(address).status_code == 404
    user, project = f"/manage/users/{cast.owner.pk}/", f"/manage/projects/{cast.acme.pk}/"
    for address in (
        user,
        f"{user}access/",
        f"{user}link/",
        f"{user}second-factors/",
        project,
        f"{project}access/",
        f"{project}members/",
        f"{project}members/{cast.viewer.pk}/remove/",
        f"{project}transfer/",
    ):
        assert cast.pages(getattr(cast, part)).post(address, {"active": "no"}).status_code == 404
    assert User.objects.get(pk=cast.owner.pk).is_active
    assert Project.objects.get(pk=cast.acme.pk).is_active


def test_strangers_are_asked_who_they_are(cast):
    for address in addresses(cast):
        assert cast.pages().get(address)["Location"].startswith("/login/")


# ------------------------------------------------------------------------------------------------ Lists


def names_in(html):
    return re.findall(r'class="vm-n" dir="auto" href="[^"]*">([^<]*)<', html)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=olivia", ["Olivia Owner"]),
        ("q=acme.example&sort=name", ["Olivia Owner", "Oscar Operator", "Vera Viewer"]),
        ("q=acme.example&sort=login", ["Vera Viewer", "Olivia Owner", "Oscar Operator"]),
        ("group=staff&sort=name", ["Hera Here", "Stella Staff", "Sue Super", "Theo There"]),
        ("group=disabled", ["Otto Outsider"]),
        ("group=never&q=acme", ["Olivia Owner", "Oscar Operator"]),
        ("q=acme.example&group=nonsense&sort=nonsense", ["Olivia Owner", "Oscar Operator", "Vera Viewer"]),
    ],
)
def test_users_are_searched_narrowed_and_sorted(cast, query, found):
    User.objects.filter(pk=cast.viewer.pk).update(last_login=timezone.now())
    User.objects.filter(pk=cast.outsider.pk).update(is_active=False)
    html = page(cast, cast.staff_everywhere, f"/manage/users/?{query}")
    seen = names_in(html)
    if "sort=login" in query:
        assert seen[0] == found[0]
        assert sorted(seen) == sorted(found)
    else:
        assert seen == found


def test_projects_are_searched_narrowed_and_sorted(cast):
    make_vm(cast.ottos, cast.hypervisor_there)
    Project.objects.filter(pk=cast.acme.pk).update(is_active=False)
    for query, found in {
        "q=vera@&group=shared": ["Acme"],
        "group=shared&sort=vms": ["Ottos", "Acme"],
        "group=off": ["Acme"],
        "group=personal&q=Olivia": ["Olivia Owner"],
    }.items():
        assert names_in(page(cast, cast.staff_everywhere, f"/manage/projects/?{query}")) == found, query


def test_pages_keep_what_was_asked(cast):
    for number in range(60):
        make_user(f"bulk{number:02}@many.example")
    html = page(cast, cast.superuser, "/manage/users/?q=many.example&sort=new")
    assert "1–50 of 60" in words(html)
    assert "?q=many.example&amp;sort=new&amp;page=2" in html
    assert len(names_in(page(cast, cast.superuser, "/manage/users/?q=many.example&sort=new&page=2"))) == 10


def test_what_fits_nothing_leads_back(cast):
    for address in ("/manage/users/", "/manage/projects/"):
        html = page(cast, cast.superuser, f"{address}?q=no+such+thing")
        assert "Nothing found" in html
        assert f'href="{address}"' in html.split("Nothing found")[1]


@pytest.mark.parametrize("address", ["/manage/users/", "/manage/projects/"])
def test_lists_cost_the_same_however_many_there_are(cast, address, django_assert_max_num_queries):
    browser = cast.pages(cast.staff_everywhere)
    browser.get(address)
    for number in range(30):
        user = make_user(f"more{number}@example.org")
        make_vm(make_project(owner=user), cast.hypervisor_here)
    with django_assert_max_num_queries(12):
        browser.get(address)


# ------------------------------------------------------------------------------------------------ One user


def test_a_users_page_says_what_staff_look_for(cast, django_assert_max_num_queries):
    token_create(user=cast.owner, name="backup job")
    cast.pages(cast.owner)  # signed in there
    User.objects.filter(pk=cast.owner.pk).update(remarks="Pays late.", last_login=timezone.now() - dt.timedelta(days=3))
    browser = cast.pages(cast.staff_everywhere)
    with django_assert_max_num_queries(40):
        text = said(browser.get(f"/manage/users/{cast.owner.pk}/"))
    for fact in (
        "Olivia Owner",
        "olivia@acme.example",
        "Acme",
        "acme-web",
        "3 days ago",
        "Login tokens 1",
        "Pays late.",
    ):
        assert fact in text
    assert "otto-mail" not in text


def test_superusers_see_which_sites_a_staff_member_looks_after(cast):
    address = f"/manage/users/{cast.staff_here.pk}/"
    html = page(cast, cast.superuser, address)
    assert f'href="/admin/hypervisors/site/{cast.here.pk}/change/"' in html
    cast.here.staff.clear()
    assert "until a site has this person among its staff" in words(page(cast, cast.superuser, address))
    for other in (
        page(cast, cast.staff_everywhere, address),
        page(cast, cast.superuser, f"/manage/users/{cast.owner.pk}/"),
    ):
        assert "/admin/hypervisors/site/" not in other


def test_a_box_to_tick_has_its_label_beside_it(cast):
    html = page(cast, cast.superuser, "/manage/users/new/")
    assert re.search(r'<label class="row-x"><input type="checkbox" name="is_staff"[^>]*> Staff</label>', html)


def test_a_user_is_made_and_handed_a_link_that_works_once(cast, client):
    answer = send(cast, "staff_everywhere", "/manage/users/new/", email="New@Example.org", name="Nora New", remarks="x")
    made = User.objects.get(email="new@example.org")
    assert answer.redirect_chain[-1][0] == f"/manage/users/{made.pk}/"
    assert not made.has_usable_password()
    browser = cast.pages(cast.staff_everywhere)
    shown = browser.post(f"/manage/users/{made.pk}/link/")
    assert "no-store" in shown["Cache-Control"]
    (link,) = set(re.findall(r'id="password-link">([^<]+)<', shown.content.decode()))
    assert "password-link" not in page(cast, cast.staff_everywhere, f"/manage/users/{made.pk}/")
    path = link.replace("&amp;", "&").partition("//")[2].partition("/")[2]
    assert client.get(f"/{path}", follow=True).status_code == 200
    assert AuditEvent.objects.filter(action="password.link", target_id=str(made.pk)).exists()


def test_what_is_wrong_is_said_beside_the_form(cast):
    answer = send(cast, "superuser", "/manage/users/new/", email="olivia@acme.example", name="Twice")
    assert answer.status_code == 400
    assert "exists already" in said(answer)
    answer = send(cast, "superuser", f"/manage/users/{cast.owner.pk}/", email="nonsense", name="Olivia")
    assert answer.status_code == 400
    assert User.objects.get(pk=cast.owner.pk).email == "olivia@acme.example"


def test_a_user_is_changed_shut_out_and_let_in(cast):
    token_create(user=cast.owner, name="job")
    address = f"/manage/users/{cast.owner.pk}/"
    send(cast, "staff_everywhere", address, email=cast.owner.email, name="Olivia Other", remarks="Called in May.")
    changed = User.objects.get(pk=cast.owner.pk)
    assert (changed.name, changed.remarks) == ("Olivia Other", "Called in May.")
    assert "is shut out" in said(send(cast, "staff_everywhere", f"{address}access/", active="no"))
    assert not User.objects.get(pk=cast.owner.pk).is_active
    assert not LoginToken.objects.filter(user=cast.owner).exists()
    send(cast, "staff_everywhere", f"{address}access/", active="yes")
    assert User.objects.get(pk=cast.owner.pk).is_active


def test_only_superusers_make_staff_whatever_is_posted(cast):
    address = f"/manage/users/{cast.owner.pk}/"
    wanted = {"email": cast.owner.email, "name": cast.owner.name, "is_staff": "on", "is_superuser": "on"}
    send(cast, "staff_everywhere", address, **wanted)
    assert not User.objects.get(pk=cast.owner.pk).is_staff
    assert "is_staff" not in page(cast, cast.staff_everywhere, address)
    send(cast, "superuser", address, **wanted)
    assert User.objects.get(pk=cast.owner.pk).is_superuser


def test_staff_do_not_touch_other_staff(cast):
    address = f"/manage/users/{cast.staff_here.pk}/"
    html = page(cast, cast.staff_everywhere, address)
    assert "Only superusers change staff." in html
    assert "access/" not in html
    for what in ("access/", "link/", "second-factors/"):
        assert "Only superusers may do that." in said(send(cast, "staff_everywhere", f"{address}{what}", active="no"))
    assert User.objects.get(pk=cast.staff_here.pk).is_active


def test_nobody_shuts_themselves_out(cast):
    answer = send(cast, "superuser", f"/manage/users/{cast.superuser.pk}/access/", active="no")
    assert "Nobody takes their own access away." in said(answer)


# ------------------------------------------------------------------------------------------------ One project


def test_a_projects_page_has_members_quota_and_machines(cast, django_assert_max_num_queries):
    browser = cast.pages(cast.staff_everywhere)
    browser.get(f"/manage/projects/{cast.acme.pk}/")
    for _ in range(20):
        make_vm(cast.acme, cast.hypervisor_here)
    with django_assert_max_num_queries(40):
        text = said(browser.get(f"/manage/projects/{cast.acme.pk}/"))
    for fact in ("Vera Viewer", "viewer", "acme-web", "Virtual machines 21", "Memory"):
        assert fact in text


def test_a_project_is_made_for_its_first_owner(cast):
    answer = send(cast, "staff_everywhere", "/manage/projects/new/", name="Shop", owner="Vera@acme.example", remarks="")
    made = Project.objects.get(name="Shop")
    assert answer.redirect_chain[-1][0] == f"/manage/projects/{made.pk}/"
    assert Membership.objects.get(project=made).user == cast.viewer
    refused = send(cast, "staff_everywhere", "/manage/projects/new/", name="Shop 2", owner="who@example.org")
    assert refused.status_code == 400
    assert "Make the user first." in said(refused)


def test_members_come_change_and_go_but_an_owner_stays(cast):
    address = f"/manage/projects/{cast.acme.pk}/members/"
    send(cast, "staff_everywhere", address, email="otto@otto.example", role="viewer")
    assert Membership.objects.get(project=cast.acme, user=cast.outsider).role == Role.VIEWER
    refused = send(cast, "staff_everywhere", f"{address}{cast.owner.pk}/remove/")
    assert Membership.objects.filter(project=cast.acme, user=cast.owner).exists()
    assert "owner" in said(refused)
    send(cast, "staff_everywhere", address, email="otto@otto.example", role="owner")
    send(cast, "staff_everywhere", f"{address}{cast.owner.pk}/remove/")
    assert not Membership.objects.filter(project=cast.acme, user=cast.owner).exists()
    assert send(cast, "staff_everywhere", address, email="nonsense", role="owner").status_code == 400


def test_a_project_is_renamed_and_switched_off_and_on(cast):
    address = f"/manage/projects/{cast.acme.pk}/"
    send(cast, "staff_everywhere", address, name="Acme Ltd", remarks="Contract 7")
    assert Project.objects.get(pk=cast.acme.pk).remarks == "Contract 7"
    send(cast, "staff_everywhere", f"{address}access/", active="no")
    assert not Project.objects.get(pk=cast.acme.pk).is_active
    send(cast, "staff_everywhere", f"{address}access/", active="yes")
    assert Project.objects.get(pk=cast.acme.pk).is_active


def test_all_machines_go_to_another_project_and_each_is_told(cast):
    Vm.objects.filter(pk=cast.ottos_vm.pk).update(is_made_by_eve=True)
    twin = make_vm(cast.acme, cast.hypervisor_here, "otto-mail", is_made_by_eve=True)
    address = f"/manage/projects/{cast.acme.pk}/transfer/"
    text = said(send(cast, "staff_everywhere", address, to=str(cast.ottos.pk)))
    assert "1 done, 1 refused" in text
    assert "Ottos hv-here" in text
    assert "has a virtual machine called otto-mail already" in text
    assert Vm.objects.get(pk=cast.acme_vm.pk).project == cast.ottos
    assert Vm.objects.get(pk=twin.pk).project == cast.acme
    assert send(cast, "staff_everywhere", address, to=str(cast.acme.pk)).status_code == 400
