"""How ``make test`` runs its checks: a failed test once more by itself, and never silently."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from deploy.local.checks import HOOKS, Check, run_checks
from deploy.local.config import ROOT
from deploy.local.steps import Console

FLAKY = "import pathlib, sys; mark = pathlib.Path(sys.argv[1]); late = not mark.exists(); mark.touch()\n"
SAYS = "print('FAILED tests/x.py::test_late - waited in vain') or sys.exit(1) if late else print('1 passed')"


def test_a_late_test_is_named(tmp_path: Path, capsys) -> None:
    command = (sys.executable, "-c", FLAKY + SAYS, str(tmp_path / "mark"))
    outcome = run_checks([Check("tests", command, again=command)], console=Console(), log_dir=tmp_path / "log")[0]
    assert outcome.is_good
    assert "second try" in outcome.words
    assert "tests/x.py::test_late" in outcome.words
    assert (tmp_path / "log" / "tests.first.log").exists()


def test_what_fails_twice_has_failed(tmp_path: Path, capsys) -> None:
    command = (sys.executable, "-c", "import sys; print('FAILED tests/x.py::test_bad'); sys.exit(1)")
    outcome = run_checks([Check("tests", command, again=command)], console=Console(), log_dir=tmp_path)[0]
    assert not outcome.is_good


def test_what_failed_without_naming_a_test_is_not_run_again(tmp_path: Path, capsys) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit(4)")
    again = (sys.executable, "-c", "print('all is well')")
    outcome = run_checks([Check("tests", command, again=again)], console=Console(), log_dir=tmp_path)[0]
    assert not outcome.is_good


def test_every_hook_of_commits_is_run_and_fetches_nothing() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    assert sorted(hook["id"] for hook in repository["hooks"]) == sorted(HOOKS)
