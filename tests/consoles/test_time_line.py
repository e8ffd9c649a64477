"""The time line of a VM's screen: what is taken when, how much is kept, and who sees it."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import uuid
from typing import Any

import pytest
from django.utils import timezone
from eve_agent.wire.domain import DomainState
from PIL import Image

from accounts.models import AuditEvent, Membership, Project, Role
from consoles import photographer, timeline
from consoles.models import DueScreenshot, Screenshot, ScreenshotKind
from consoles.photographer import claim_due, take_due
from consoles.timeline import Pictures, screenshot_keep
from hypervisors.errors import BadAnswer, HostAway
from hypervisors.models import HypervisorState
from hypervisors.signals import domain_seen, hypervisor_state_changed, inventory_seen
from operations.models import Operation, OperationState
from operations.signals import operation_changed
from tests.cast import Cast
from tests.vms.conftest import StubAgent, domain_of_vm
from vms.models import Vm, VmState
from vms.services import vm_forget, vm_move

CREW = ["owner", "operator", "staff_here", "staff_everywhere", "superuser"]
STRANGERS = ["outsider", "staff_there"]


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> type[StubAgent]:
    """The host's agent, which shows a screen of 1600 by 900."""
    stub = type("Stub", (StubAgent,), {"answer": ("image/png", png(1600, 900)), "asked": []})
    monkeypatch.setattr("vms.screens.AgentClient", stub)
    return stub


@pytest.fixture
def vm(cast: Cast) -> Vm:
    """Acme's, which is off."""
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.OFF)
    return Vm.objects.select_related("project", "hypervisor__site").get(pk=cast.acme_vm.pk)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What open pages are told of the time line."""
    found: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(timeline, "publish_on_commit", lambda group, message: found.append((group, message["message"])))
    return found


@pytest.fixture
def committing(django_capture_on_commit_callbacks: Any) -> Any:
    """Has what waits for the commit run."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def png(width: int = 64, height: int = 40, colour: str = "navy") -> bytes:
    """A picture."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def keep(
    vm: Vm, kind: ScreenshotKind = ScreenshotKind.BOOT, *, size_bytes: int = 0, age_seconds: int = 0
) -> Screenshot:
    """One on the time line, padded to that size."""
    small = png()
    padding = max(size_bytes - 2 * len(small), 0)
    shot = screenshot_keep(vm=vm, pictures=Pictures(small + bytes(padding), small), kind=kind)
    Screenshot.objects.filter(pk=shot.pk).update(taken_at=timezone.now() - dt.timedelta(seconds=age_seconds))
    return shot


def seen(vm: Vm, state: DomainState, reason: str = "") -> None:
    """Its host says what it is now."""
    domain_seen.send(None, hypervisor_id=vm.hypervisor_id, domain=domain_of_vm(vm, state=state, reason=reason))


def due() -> list[tuple[str, int]]:
    """What is to be taken: why, and in how many seconds."""
    now = timezone.now()
    return [(each.kind, round((each.due_at - now).total_seconds())) for each in DueScreenshot.objects.all()]


# ------------------------------------------------------------------------------------------------ When


def test_a_start_makes_two_pictures(vm: Vm, committing: Any) -> None:
    with committing():
        seen(vm, DomainState.RUNNING, "booted")
    assert due() == [("boot", 15), ("boot", 90)]


def test_another_start_makes_two_in_all(vm: Vm, committing: Any) -> None:
    for state in (DomainState.RUNNING, DomainState.OFF, DomainState.RUNNING):
        with committing():
            seen(vm, state)
    assert due() == [("boot", 15), ("boot", 90)]


@pytest.mark.parametrize("state", [DomainState.PAUSED, DomainState.SHUTTING_DOWN])
def test_going_on_after_a_pause_is_no_start(vm: Vm, committing: Any, state: DomainState) -> None:
    Vm.objects.update(state=VmState.RUNNING)
    for each in (state, DomainState.RUNNING):
        with committing():
            seen(vm, each)
    assert due() == []


def test_a_host_that_comes_back_has_started_nothing(vm: Vm, committing: Any) -> None:
    Vm.objects.update(state=VmState.RUNNING)
    host = vm.hypervisor_id
    with committing():
        hypervisor_state_changed.send(
            None, hypervisor_id=host, state=HypervisorState.OFFLINE, since=timezone.now(), old_state="online"
        )
    assert Vm.objects.get(pk=vm.pk).state == VmState.UNKNOWN
    with committing():
        inventory_seen.send(None, hypervisor_id=host, domains=(domain_of_vm(vm),))
    assert (Vm.objects.get(pk=vm.pk).state, due()) == (VmState.RUNNING, [])


@pytest.mark.parametrize(
    ("state", "reason", "kind"),
    [
        (DomainState.CRASHED, "panicked", "crash"),
        (DomainState.PAUSED, "crashed", "crash"),
        (DomainState.PAUSED, "watchdog", "watchdog"),
    ],
)
def test_trouble_makes_one_at_once(vm: Vm, committing: Any, state: DomainState, reason: str, kind: str) -> None:
    Vm.objects.update(state=VmState.RUNNING)
    for _again in range(2):
        with committing():
            seen(vm, state, reason)
    assert due() == [(kind, 0)]


@pytest.mark.parametrize("kind", ["vm.reboot", "vm.reset"])
def test_a_restart_by_eve_is_a_start(vm: Vm, kind: str) -> None:
    operation = Operation(kind=kind, target_type="vm", target_id=vm.pk, state=OperationState.SUCCEEDED)
    operation_changed.send(None, operation=operation)
    assert due() == [("boot", 15), ("boot", 90)]


def test_none_are_taken_where_none_are_kept(vm: Vm, cast: Cast, committing: Any, settings: Any) -> None:
    settings.SCREENSHOTS_PER_VM = 0
    with committing():
        seen(vm, DomainState.RUNNING, "booted")
    assert due() == []
    answer = cast.api(cast.owner).post(f"/api/v1/vms/{vm.pk}/screenshots")
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "screenshots_off")


# ------------------------------------------------------------------------------------------------ Taking


def ask(vm: Vm, kind: ScreenshotKind = ScreenshotKind.BOOT, *, ago_seconds: int = 0) -> DueScreenshot:
    """A picture that is due."""
    Vm.objects.filter(pk=vm.pk).update(state=VmState.RUNNING)
    return DueScreenshot.objects.create(vm=vm, kind=kind, due_at=timezone.now() - dt.timedelta(seconds=ago_seconds))


def claim(*but: uuid.UUID) -> list[DueScreenshot]:
    """What this process would take."""
    return claim_due(but=frozenset(but), limit=4)


def test_what_is_due_is_taken_once_in_two_sizes(
    vm: Vm, agent: type[StubAgent], told: list[tuple[str, dict[str, Any]]]
) -> None:
    ask(vm)
    (mine,) = claim()
    assert claim() == []
    take_due(mine)
    shot = Screenshot.objects.get()
    assert (shot.kind, shot.width, shot.height, shot.taken_by) == ("boot", 1280, 720, None)
    with Image.open(io.BytesIO(shot.png)) as whole, Image.open(io.BytesIO(shot.thumbnail)) as small:
        assert (whole.size, small.size) == ((1280, 720), (320, 180))
    assert shot.size_bytes == len(shot.png) + len(shot.thumbnail)
    assert not DueScreenshot.objects.exists()
    groups = {f"live.project.{vm.project_id}", f"live.site.{vm.hypervisor.site_id}"}
    assert (dict(told).keys(), told[0][1]) == (groups, {"type": "screenshots", "id": str(vm.pk)})


def test_not_before_its_time(vm: Vm) -> None:
    ask(vm, ago_seconds=-5)
    assert claim() == []


def test_one_at_a_time_of_each_host(vm: Vm, cast: Cast) -> None:
    ask(vm)
    ask(vm, ScreenshotKind.CRASH)
    ask(cast.ottos_vm)
    assert {each.vm_id for each in claim()} == {vm.pk, cast.ottos_vm.pk}
    assert claim(vm.hypervisor_id, cast.hypervisor_there.pk) == []


def test_what_a_killed_process_claimed_is_taken_by_another(vm: Vm) -> None:
    ask(vm)
    (mine,) = claim()
    DueScreenshot.objects.update(claimed_until=timezone.now() - dt.timedelta(seconds=1))
    assert [each.pk for each in claim()] == [mine.pk]


def test_what_is_late_would_show_something_else(vm: Vm) -> None:
    ask(vm, ago_seconds=301)
    assert claim() == []
    assert not DueScreenshot.objects.exists()


@pytest.mark.parametrize(("error", "is_tried_again"), [(HostAway("away"), True), (BadAnswer("no picture"), False)])
def test_a_host_that_is_away_is_asked_again(
    vm: Vm, agent: type[StubAgent], error: Exception, is_tried_again: bool
) -> None:
    agent.answer = error
    ask(vm)
    for each in claim():
        take_due(each)
    assert (DueScreenshot.objects.exists(), Screenshot.objects.exists()) == (is_tried_again, False)


@pytest.mark.parametrize(
    "answer", [("text/html", b"<script>"), ("image/svg+xml", b"<svg/>"), ("image/png", b"<svg/>"), ("image/png", b"")]
)
def test_what_is_no_picture_is_not_kept(vm: Vm, cast: Cast, agent: type[StubAgent], answer: tuple[str, bytes]) -> None:
    agent.answer = answer
    Vm.objects.update(state=VmState.RUNNING)
    assert cast.api(cast.owner).post(f"/api/v1/vms/{vm.pk}/screenshots").status_code == 502
    assert not Screenshot.objects.exists()


def test_bytes_beside_the_picture_are_not_kept(vm: Vm, cast: Cast, agent: type[StubAgent]) -> None:
    agent.answer = ("image/png", png() + b"<script>alert(1)</script>")
    Vm.objects.update(state=VmState.RUNNING)
    assert cast.api(cast.owner).post(f"/api/v1/vms/{vm.pk}/screenshots").status_code == 201
    assert b"script" not in bytes(Screenshot.objects.get().png)


def test_a_picture_that_is_too_large_is_not_kept(
    vm: Vm, cast: Cast, agent: type[StubAgent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "MAX_PICTURE_BYTES", 1000)
    Vm.objects.update(state=VmState.RUNNING)
    answer = cast.api(cast.owner).post(f"/api/v1/vms/{vm.pk}/screenshots")
    assert (answer.status_code, "too large" in answer.json()["detail"]) == (409, True)


@pytest.mark.django_db(transaction=True)
def test_the_loop_takes_what_is_due_and_outlives_a_fault(
    committed_cast: Cast, agent: type[StubAgent], monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = committed_cast.acme_vm
    monkeypatch.setattr(photographer, "LOOK_SECONDS", 0.05)
    faults = [RuntimeError("a fault of ours")]

    def answer() -> tuple[str, bytes]:
        if faults:
            raise faults.pop()
        return ("image/png", png())

    agent.answer = staticmethod(answer)
    ask(vm, ScreenshotKind.CRASH)
    monkeypatch.setattr(photographer, "CLAIM", dt.timedelta(seconds=0.2))

    async def until_taken() -> None:
        stop = asyncio.Event()
        loop = asyncio.create_task(photographer.take_forever(stop))
        while not await Screenshot.objects.aexists():
            assert not loop.done()
            await asyncio.sleep(0.05)
        stop.set()
        await loop

    asyncio.run(asyncio.wait_for(until_taken(), 60))
    assert (Screenshot.objects.get().kind, faults) == ("crash", [])


# ------------------------------------------------------------------------------------------------ How much


def test_the_oldest_go_first_and_those_kept_by_hand_last(vm: Vm, settings: Any) -> None:
    settings.SCREENSHOTS_PER_VM = 3
    by_hand = keep(vm, ScreenshotKind.MANUAL, age_seconds=50)
    old = keep(vm, age_seconds=40)
    crash = keep(vm, ScreenshotKind.CRASH, age_seconds=30)
    assert kept(vm) == {by_hand.pk, old.pk, crash.pk}
    new = keep(vm, age_seconds=20)
    assert kept(vm) == {by_hand.pk, crash.pk, new.pk}
    second, third = (keep(vm, ScreenshotKind.MANUAL, age_seconds=age) for age in (15, 10))
    assert kept(vm) == {by_hand.pk, second.pk, third.pk}
    newest = keep(vm)
    assert kept(vm) == {second.pk, third.pk, newest.pk}


def test_they_are_bounded_in_bytes(vm: Vm, settings: Any) -> None:
    settings.SCREENSHOT_BYTES_PER_VM = 100_000
    first, second = (keep(vm, size_bytes=40_000, age_seconds=age) for age in (30, 20))
    assert kept(vm) == {first.pk, second.pk}
    third = keep(vm, size_bytes=90_000)
    assert kept(vm) == {third.pk}


def test_each_vm_has_its_own_bounds(vm: Vm, cast: Cast, settings: Any) -> None:
    settings.SCREENSHOTS_PER_VM = 1
    keep(cast.ottos_vm)
    keep(vm)
    assert (len(kept(vm)), len(kept(cast.ottos_vm))) == (1, 1)


def kept(vm: Vm) -> set[uuid.UUID]:
    """What is on its time line."""
    return set(Screenshot.objects.filter(vm=vm).values_list("pk", flat=True))


# ------------------------------------------------------------------------------------------------ Who


@pytest.mark.parametrize("who", [*CREW, "viewer"])
def test_members_look(vm: Vm, cast: Cast, who: str) -> None:
    shot = keep(vm)
    api, address = cast.api(getattr(cast, who)), f"/api/v1/vms/{vm.pk}/screenshots"
    (told,) = api.get(address).json()
    assert (told["id"], told["kind"], told["width"], told["taken_by"]) == (str(shot.pk), "boot", 64, "")
    assert api.get(f"{address}/{shot.pk}").json() == told
    for query in ("", "?size=small"):
        picture = api.get(f"{address}/{shot.pk}/picture{query}")
        assert (picture.status_code, picture["Content-Type"], picture.content[:4]) == (200, "image/png", b"\x89PNG")
        assert "sandbox" in picture["Content-Security-Policy"]
        assert picture["Cache-Control"] == "private, no-store"
    pages = cast.pages(getattr(cast, who))
    page = pages.get(f"/vms/{vm.pk}/screenshots/").content.decode()
    assert f"/screenshots/{shot.pk}/" in page
    one = pages.get(f"/vms/{vm.pk}/screenshots/{shot.pk}/").content.decode()
    assert ("Delete…" in one) == (who != "viewer")


@pytest.mark.parametrize("who", STRANGERS)
def test_for_others_there_is_nothing(vm: Vm, cast: Cast, agent: type[StubAgent], who: str) -> None:
    Vm.objects.update(state=VmState.RUNNING)
    shot = keep(vm)
    api, pages = cast.api(getattr(cast, who)), cast.pages(getattr(cast, who))
    address = f"/vms/{vm.pk}/screenshots"
    for path in ("", f"/{shot.pk}", f"/{shot.pk}/picture"):
        assert api.get(f"/api/v1{address}{path}").status_code == 404
    assert api.post(f"/api/v1{address}").status_code == 404
    assert api.delete(f"/api/v1{address}/{shot.pk}").status_code == 404
    for path in ("", f"{shot.pk}/"):
        assert pages.get(f"{address}/{path}").status_code == 404
    for path in ("take/", f"{shot.pk}/delete/"):
        assert pages.post(f"{address}/{path}").status_code == 404
    assert (agent.asked, kept(vm)) == ([], {shot.pk})


@pytest.mark.parametrize("who", STRANGERS)
def test_a_picture_is_not_to_be_had_by_way_of_ones_own_vm(vm: Vm, cast: Cast, who: str) -> None:
    shot = keep(vm)
    api, pages = cast.api(getattr(cast, who)), cast.pages(getattr(cast, who))
    address = f"/vms/{cast.ottos_vm.pk}/screenshots/{shot.pk}"
    for path in ("", "/picture"):
        assert api.get(f"/api/v1{address}{path}").status_code == 404
    assert api.delete(f"/api/v1{address}").status_code == 404
    assert pages.get(f"{address}/").status_code == 404
    assert pages.post(f"{address}/delete/").status_code == 404
    assert kept(vm) == {shot.pk}


@pytest.mark.parametrize("way", ["api", "page"])
@pytest.mark.parametrize("who", CREW)
def test_operators_take_and_delete_and_it_is_recorded(
    vm: Vm, cast: Cast, agent: type[StubAgent], who: str, way: str
) -> None:
    Vm.objects.update(state=VmState.RUNNING)
    user = getattr(cast, who)
    if way == "api":
        api, address = cast.api(user), f"/api/v1/vms/{vm.pk}/screenshots"
        told = api.post(address)
        assert (told.status_code, told.json()["taken_by"]) == (201, user.email)
        assert told["Location"] == f"{address}/{told.json()['id']}"
        assert api.delete(told["Location"]).status_code == 204
    else:
        pages, address = cast.pages(user), f"/vms/{vm.pk}/screenshots/"
        assert pages.post(f"{address}take/").status_code == 302
        assert "is on the time line" in pages.get(address).content.decode()
        (shot,) = kept(vm)
        assert pages.post(f"{address}{shot}/delete/").status_code == 302
    assert kept(vm) == set()
    events = AuditEvent.objects.filter(action__startswith="screenshot.")
    assert sorted(events.values_list("action", "actor", "outcome")) == [
        ("screenshot.delete", user.pk, "success"),
        ("screenshot.take", user.pk, "success"),
    ]
    assert events.filter(project=cast.acme, target_id=str(vm.pk)).count() == 2


def test_viewers_only_look(vm: Vm, cast: Cast, agent: type[StubAgent]) -> None:
    Vm.objects.update(state=VmState.RUNNING)
    shot = keep(vm)
    api, pages = cast.api(cast.viewer), cast.pages(cast.viewer)
    address = f"/api/v1/vms/{vm.pk}/screenshots"
    assert api.post(address).status_code == 403
    assert api.delete(f"{address}/{shot.pk}").status_code == 403
    pages.post(f"/vms/{vm.pk}/screenshots/take/")
    pages.post(f"/vms/{vm.pk}/screenshots/{shot.pk}/delete/")
    assert (agent.asked, kept(vm)) == ([], {shot.pk})
    assert "Take a picture now" not in pages.get(f"/vms/{vm.pk}/screenshots/").content.decode()


def test_what_was_seen_before_a_move_stays_with_its_project(vm: Vm, cast: Cast) -> None:
    other = Project.objects.create(name="Other")
    Membership.objects.create(project=other, user=cast.owner, role=Role.OWNER)
    Membership.objects.create(project=other, user=cast.outsider, role=Role.OWNER)
    shot = keep(vm)
    moved = vm_move(vm=vm, project=other, user=cast.owner)
    api = cast.api(cast.outsider)
    assert api.get(f"/api/v1/vms/{vm.pk}/screenshots").json() == []
    assert api.get(f"/api/v1/vms/{vm.pk}/screenshots/{shot.pk}/picture").status_code == 404
    assert str(shot.pk) not in cast.pages(cast.outsider).get("/").content.decode()
    vm_move(vm=moved, project=cast.acme, user=cast.owner)
    assert len(cast.api(cast.owner).get(f"/api/v1/vms/{vm.pk}/screenshots").json()) == 1


def test_a_picture_that_was_being_taken_at_a_move_is_nobodys(vm: Vm, cast: Cast, agent: type[StubAgent]) -> None:
    other = Project.objects.create(name="Other")
    ask(vm)
    (mine,) = claim()
    Vm.objects.filter(pk=vm.pk).update(project=other)
    take_due(mine)
    assert (kept(vm), DueScreenshot.objects.count()) == (set(), 0)


def test_they_go_with_their_vm(vm: Vm, cast: Cast) -> None:
    keep(vm)
    ask(vm)
    Vm.objects.update(state=VmState.MISSING)
    vm.refresh_from_db()
    vm_forget(vm=vm, user=cast.staff_here)
    assert (Screenshot.objects.count(), DueScreenshot.objects.count()) == (0, 0)


# ------------------------------------------------------------------------------------------------ What pages say


@pytest.mark.parametrize(("state", "status"), [(VmState.OFF, 409), (VmState.UNKNOWN, 503)])
def test_a_vm_that_is_off_or_away_says_so(
    vm: Vm, cast: Cast, agent: type[StubAgent], state: VmState, status: int
) -> None:
    Vm.objects.update(state=state)
    if state == VmState.UNKNOWN:
        type(vm.hypervisor).objects.filter(pk=vm.hypervisor_id).update(state=HypervisorState.OFFLINE)
    answer = cast.api(cast.owner).post(f"/api/v1/vms/{vm.pk}/screenshots")
    words = "is not running" if state == VmState.OFF else "does not answer"
    assert (answer.status_code, words in answer.json()["detail"], agent.asked) == (status, True, [])
    pages = cast.pages(cast.owner)
    page = pages.get(f"/vms/{vm.pk}/screenshots/").content.decode()
    assert ("Take a picture now" in page, "no screen to take a picture of" in page) == (False, True)
    pages.post(f"/vms/{vm.pk}/screenshots/take/")
    assert words in pages.get(f"/vms/{vm.pk}/screenshots/").content.decode()


@pytest.mark.parametrize("state", [VmState.OFF, VmState.UNKNOWN, VmState.MISSING])
def test_lists_show_the_latest_of_what_has_no_screen_now(vm: Vm, cast: Cast, state: VmState) -> None:
    Vm.objects.update(state=state)
    old, new = keep(vm, age_seconds=60), keep(vm)
    page = cast.pages(cast.viewer).get("/").content.decode()
    assert (str(new.pk) in page, str(old.pk) in page) == (True, False)
    Vm.objects.update(state=VmState.RUNNING)
    assert str(new.pk) not in cast.pages(cast.viewer).get("/").content.decode()


def test_the_part_that_is_fetched_again_is_the_list_alone(vm: Vm, cast: Cast) -> None:
    keep(vm, ScreenshotKind.CRASH)
    part = cast.pages(cast.viewer).get(f"/vms/{vm.pk}/screenshots/?part=1").content.decode().strip()
    assert part.startswith('<section class="card" id="vm-time-line"')
    assert "crash" in part


def test_the_list_reads_no_pictures(
    vm: Vm, cast: Cast, django_assert_max_num_queries: Any, django_capture_on_commit_callbacks: Any
) -> None:
    for _each in range(5):
        keep(vm)
    api, address = cast.api(cast.viewer), f"/api/v1/vms/{vm.pk}/screenshots"
    with django_assert_max_num_queries(6) as asked:
        assert len(api.get(address).json()) == 5
    assert not any('"thumbnail"' in query["sql"] for query in asked.captured_queries)
