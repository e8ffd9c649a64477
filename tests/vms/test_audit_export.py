"""The audit as CSV: the same events as on the page, in pieces, and harmless to a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from accounts.models import AuditEvent
from accounts.services import audit_record
from tests.factories import make_vm
from vms.views import auditing

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/manage/audit/export/"


async def export(user, query=""):
    client = AsyncClient()
    await client.aforce_login(user)
    response = await client.get(URL + query)
    assert response.status_code == 200
    text = b"".join([piece async for piece in response.streaming_content]).decode()
    return response, list(csv.DictReader(io.StringIO(text, newline="")))


@sync_to_async
def record(*actions, **fields):
    for action in actions:
        audit_record(action=action, **fields)


async def test_each_staff_member_takes_what_the_page_shows(cast):
    await record("canary.here", actor=cast.owner, target=cast.acme_vm, project=cast.acme)
    await record("canary.there", actor=cast.outsider, target=cast.ottos_vm)
    both = {"canary.here", "canary.there"}
    for user, expected in (
        (cast.staff_here, {"canary.here"}),
        (cast.staff_there, {"canary.there"}),
        (cast.staff_everywhere, both),
        (cast.superuser, both),
    ):
        _response, rows = await export(user, "?q=canary")
        assert {row["action"] for row in rows} == expected
    row = next(row for row in rows if row["action"] == "canary.here")
    assert (row["who"], row["target"], row["project"]) == ("olivia@acme.example", "acme-web", "Acme")
    assert (row["target_kind"], row["target_id"]) == ("vm", str(cast.acme_vm.pk))


async def test_it_does_not_exist_for_customers(cast):
    client = AsyncClient()
    await client.aforce_login(cast.owner)
    assert (await client.get(URL)).status_code == 404
    assert not await AuditEvent.objects.filter(action="audit.export").aexists()


async def test_it_is_narrowed_as_the_page_is_and_comes_as_a_file(cast):
    await record("canary", actor=cast.owner, target=cast.acme_vm, outcome="denied")
    await record("canary", actor=cast.owner, target=cast.acme_vm)
    response, rows = await export(cast.superuser, "?q=canary&outcome=denied")
    assert [row["outcome"] for row in rows] == ["denied"]
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="eve-audit-')
    assert "no-store" in response["Cache-Control"]
    taken = await AuditEvent.objects.aget(action="audit.export")
    assert (taken.actor_id, taken.detail) == (cast.superuser.pk, {"query": "q=canary&outcome=denied"})


async def test_many_come_in_pieces_each_once(cast, monkeypatch):
    monkeypatch.setattr(auditing, "PIECE", 3)
    await record(*[f"canary.{number}" for number in range(7)], actor=cast.owner, target=cast.acme_vm)
    same = (await AuditEvent.objects.afirst()).at
    await AuditEvent.objects.filter(action__in=["canary.1", "canary.2", "canary.3", "canary.4"]).aupdate(at=same)
    _response, rows = await export(cast.superuser, "?q=canary")
    assert sorted(row["action"] for row in rows) == [f"canary.{number}" for number in range(7)]


async def test_names_reach_no_spreadsheet_as_formulas(cast):
    names = ['=HYPERLINK("https://evil.example")', "@SUM(1)", "  =1+1", "plain, with a comma"]
    for name in names:
        vm = await sync_to_async(make_vm)(cast.acme, cast.hypervisor_here, name)
        await record("canary", actor=cast.owner, target=vm)
    _response, rows = await export(cast.superuser, "?q=canary")
    assert {row["target"] for row in rows} == {*(f"'{name}" for name in names[:3]), names[3]}


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx", " =1", "＝1"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert auditing.harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "web", "2026-11-26T12:00:00+00:00", "a=b", "::1"])
def test_what_is_plain_stays(text):
    assert auditing.harmless(text) == text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from=2026-03-02&to=2026-03-02", {"canary.second", "canary.night"}),
        ("from=2026-03-02", {"canary.second", "canary.night", "canary.third"}),
        ("to=2026-03-01", {"canary.first"}),
        ("from=2026-03-04", set()),
        ("from=yesterday&to=9999-12-31", {"canary.first", "canary.second", "canary.night", "canary.third"}),
        ("from=0001-01-01", {"canary.first", "canary.second", "canary.night", "canary.third"}),
    ],
)
async def test_page_and_export_keep_to_whole_days(cast, query, found):
    at = {
        "canary.first": "2026-03-01T23:59:59Z",
        "canary.second": "2026-03-02T00:00:00Z",
        "canary.night": "2026-03-02T23:59:59Z",
        "canary.third": "2026-03-03T12:00:00Z",
    }
    await record(*at)
    for action, moment in at.items():
        await AuditEvent.objects.filter(action=action).aupdate(at=moment)
    _response, rows = await export(cast.superuser, f"?q=canary&{query}")
    assert {row["action"] for row in rows} == found
    client = AsyncClient()
    await client.aforce_login(cast.superuser)
    html = (await client.get(f"/manage/audit/?q=canary&{query}")).content.decode()
    assert {action for action in at if f"<code>{action}</code>" in html} == found
    assert f'{URL}?q=canary&amp;{query.replace("&", "&amp;")}"' in html
    if query == "from=2026-03-02":
        assert 'name="from" value="2026-03-02"' in html


async def test_details_are_in_words(cast):
    detail = {
        "before": {"memory_bytes": 2**30},
        "devices": ["disk a"],
        "why": "=cmd\u202e",
        "other_thing": True,
        "x": "",
    }
    await record("canary", actor=cast.owner, target=cast.acme_vm, detail=detail)
    _response, rows = await export(cast.superuser, "?q=canary")
    told = "before: memory 1 GiB; devices: disk a; other thing: yes; why: =cmd\ufffd"
    assert [row["detail"] for row in rows] == [told]
    client = AsyncClient()
    await client.aforce_login(cast.superuser)
    html = (await client.get("/manage/audit/?q=canary")).content.decode()
    assert "<li>before: <bdi>memory 1 GiB</bdi></li>" in html
    assert "=cmd\ufffd" in html
