"""Management commands in one process: each is answered, and a failure is told by its command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy.local.config import ROOT
from deploy.local.management import CommandFailedError, Management, NoManagementError


def environment(state_dir: Path, **settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "EVE_STATE_DIR": str(state_dir), "EVE_SECRET_KEY": "x" * 50, **settings}


@pytest.fixture
def management(tmp_path: Path) -> Iterator[Management]:
    variables = environment(tmp_path)
    with closing(Management(python=sys.executable, root=ROOT, environment=variables, log=tmp_path / "log")) as one:
        yield one


def shell(management: Management, code: str) -> str:
    return management.run("shell", "--no-imports", "-c", code)


def test_all_run_in_one_process_also_after_one_that_failed(management: Management):
    pid = shell(management, "import os; print(os.getpid())")
    assert int(pid) != os.getpid()
    management.run("migrate", "--no-input", "--verbosity=0")
    with pytest.raises(CommandFailedError, match="There is no hypervisor nowhere") as refusal:
        management.run("hypervisor_wait", "nowhere")
    assert refusal.value.command == "hypervisor_wait"
    with pytest.raises(CommandFailedError, match="ZeroDivisionError"):
        shell(management, "1 / 0")
    assert shell(management, "import os; print(os.getpid())") == pid


def test_no_connection_is_kept_between_two(management: Management):
    shell(management, "from django.db import connection; connection.ensure_connection()")
    assert shell(management, "from django.db import connection; print(connection.connection)") == "None\n"


def test_what_ends_in_the_middle_is_told(management: Management, tmp_path: Path):
    for _ in range(2):
        with pytest.raises(NoManagementError):
            shell(management, "import os, sys; print('fell', file=sys.stderr, flush=True); os._exit(3)")
    assert (tmp_path / "log").read_text() == "fell\n"


def test_a_mistake_in_the_settings_is_told(tmp_path: Path):
    variables = environment(tmp_path, EVE_EMBEDDED="maybe")
    log = tmp_path / "log"
    with (
        closing(Management(python=sys.executable, root=ROOT, environment=variables, log=log)) as management,
        pytest.raises(CommandFailedError, match="EVE_EMBEDDED holds") as refusal,
    ):
        management.run("migrate")
    assert refusal.value.command == "check"
