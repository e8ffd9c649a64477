"""The tests' own services leave nothing behind, however the tests end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import environ
import psycopg
import pytest
import redis

from tests.services.root import service_root_create, sweep

ROOT = Path(__file__).resolve().parents[2]


def test_postgres_answers_at_the_address_that_the_settings_parse(postgres_server: str):
    parsed = environ.Env.db_url_config(postgres_server)
    with psycopg.connect(host=parsed["HOST"], user=parsed["USER"], dbname=parsed["NAME"]) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()

    assert row == ("",)


def test_redis_answers(redis_server: str):
    assert redis.Redis.from_url(redis_server).ping()


def test_a_folder_in_use_stays_and_one_left_behind_goes():
    root = service_root_create("sweep")
    assert root.path not in sweep()
    os.close(root.lock_fd)

    assert root.path in sweep()
    assert not root.path.exists()


@pytest.mark.parametrize(
    ("body", "marker"),
    [
        ("with databases.postgres() as url: print(url, flush=True); time.sleep(60)", "bin/postgres"),
        ("with databases.redis() as url: print(url, flush=True); time.sleep(60)", "redis-server"),
        (
            "with libvirt_sandbox() as box: box.start_demo('crash', wait=False); print(box.root.path, flush=True); time.sleep(60)",
            "libvirtd",
        ),
    ],
    ids=["postgres", "redis", "libvirt"],
)
def test_services_end_with_tests_that_are_killed(body: str, marker: str):
    script = (
        f"import time; from tests.services import databases; from tests.services.libvirt import libvirt_sandbox\n{body}"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT) as tests:
        assert tests.stdout is not None
        folder = next(part for part in tests.stdout.readline().strip().split("/") if part.startswith("eve-test-"))
        assert processes(folder)
        tests.kill()

    deadline = time.monotonic() + 20
    while processes(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes(folder) == []
    sweep()
    assert not list(Path("/tmp").glob(folder))


@pytest.mark.parametrize("is_killed", [False, True], ids=["ended", "killed"])
def test_the_state_of_tests_goes_with_them(is_killed: bool):
    script = "import os; from tests import settings; print(settings.STATE_DIR, flush=True); input()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EVE_")}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    ) as tests:
        assert tests.stdout is not None
        folder = Path(tests.stdout.readline().strip())
        assert folder.is_dir()
        if is_killed:
            tests.kill()
        else:
            tests.communicate("\n")

    if is_killed:
        sweep()
    assert not folder.exists()


def processes(folder: str) -> list[str]:
    """Programs that run for the service with this folder: named by their arguments or living in its namespace."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if words and (folder in words or folder in (path / "mountinfo").read_text()):
                found.append(words)
        except OSError:
            continue
    return found
