"""The composition root: health, metrics, unknown websockets, background tasks."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.testing import WebsocketCommunicator
from django.db import InterfaceError, OperationalError, connection
from django.template import Engine
from django.test import Client
from django.urls import clear_url_caches, get_resolver

from consoles.sweeper import sweep_forever
from eve_site import lifespan
from eve_site.asgi import application
from eve_site.metrics import TASKS
from tests.cast import Cast
from vms.sweeper import sweep_forever as sweep_uploads_forever


def test_health_needs_nothing(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("fault", [OperationalError, InterfaceError])
def test_ready_needs_the_database(
    db: None, client: Client, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    assert client.get("/readyz").status_code == 200

    def away(*_: Any) -> None:
        raise fault("away")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", away)
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["code"] == "database_away"


def test_metrics_are_for_staff_of_every_site(cast: Cast) -> None:
    for user, status in ((cast.superuser, 200), (cast.staff_here, 404), (cast.owner, 404), (None, 404)):
        assert cast.api(user).get("/metrics").status_code == status
        assert cast.pages(user).get("/metrics").status_code == status


@pytest.mark.parametrize("path", ["/ws/nothing", "/ws/vms/not-a-uuid/console", "/", "/ws/../live"])
async def test_an_unknown_websocket_is_refused(path: str) -> None:
    socket = WebsocketCommunicator(application, path)
    assert (await socket.connect(timeout=5))[0] is False


async def begun() -> ApplicationCommunicator:
    """The life of a server that has just begun."""
    life = ApplicationCommunicator(lifespan.Lifespan(None), {"type": "lifespan"})
    await life.send_input({"type": "lifespan.startup"})
    assert (await life.receive_output(timeout=30))["type"] == "lifespan.startup.complete"
    return life


async def end(life: ApplicationCommunicator) -> None:
    """Ends it; what is being loaded ahead is waited for."""
    await life.send_input({"type": "lifespan.shutdown"})
    assert (await life.receive_output(timeout=30))["type"] == "lifespan.shutdown.complete"


async def test_tasks_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted() -> float:
        return next(iter(TASKS.collect())).samples[0].value

    monkeypatch.setattr(lifespan, "_background_tasks", list)
    life = await begun()
    before = counted()
    waiting = asyncio.create_task(asyncio.Event().wait())
    assert counted() == before + 1
    waiting.cancel()
    await end(life)


async def test_what_visitors_need_is_loaded_once_it_is_up_and_set_apart_from_the_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine.get_default()
    clear_url_caches()
    for loader in engine.template_loaders:
        loader.reset()
    monkeypatch.setattr(lifespan, "_background_tasks", list)
    life = await begun()
    await end(life)
    (folder,) = map(Path, engine.dirs)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.html")]
    loaded = [get_resolver().reverse_dict, *map(engine.get_template, names)]
    gone_through = {id(each) for each in gc.get_objects()}
    assert len(loaded) > 100
    assert not gone_through & {id(each) for each in loaded}


async def test_a_background_task_that_fails_is_started_again(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []

    async def task(stop: asyncio.Event) -> None:
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError("a host's nonsense")
        await stop.wait()

    monkeypatch.setattr(lifespan, "_background_tasks", lambda: [task])
    monkeypatch.setattr(lifespan, "RESTART_SECONDS", 0.01)
    life = await begun()
    await asyncio.sleep(0.1)
    await end(life)
    assert len(runs) == 2


@pytest.mark.parametrize(("is_embedded", "count"), [(True, 8), (False, 5)])
def test_every_server_sweeps(settings: Any, is_embedded: bool, count: int) -> None:
    settings.EMBEDDED = is_embedded
    tasks = lifespan._background_tasks()
    assert {sweep_forever, sweep_uploads_forever} <= set(tasks)
    assert len(tasks) == count
