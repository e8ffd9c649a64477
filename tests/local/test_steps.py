"""Steps: skipped when done, told apart when they fail."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import pytest

from deploy.local import steps
from deploy.local.steps import Console, Step, StepError, authenticated, last_line, run_logged, run_steps, stamp_matches


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def refuse() -> str:
    raise StepError("the moon is full", remedy="Wait", log=Path("/var/log/moon.log"))


def test_what_is_done_is_skipped_and_the_rest_is_said(output: io.StringIO):
    done: list[str] = []

    def note(words: str) -> str:
        done.append(words)
        return words

    chain = [
        Step("first", lambda: True, lambda: note("first")),
        Step("second", lambda: False, lambda: note("made it")),
    ]
    run_steps(chain, console=Console(output), first=4, total=9)

    assert done == ["made it"]
    assert output.getvalue().splitlines() == ["[4/9] first: done already", "[5/9] second: made it"]


def test_a_failure_names_step_remedy_and_log_in_one_sentence_and_stops(output: io.StringIO):
    chain = [Step("tides", lambda: False, refuse), Step("never", lambda: pytest.fail("went on"), lambda: None)]
    with pytest.raises(StepError) as caught:
        run_steps(chain, console=Console(output), first=1, total=2)

    assert caught.value.sentence() == "tides: the moon is full. Wait (details: /var/log/moon.log)."


def test_a_command_that_fails_gives_its_last_line(output: io.StringIO, tmp_path: Path):
    log = tmp_path / "log"
    script = "import sys; print('before', flush=True); print('no space left\\n', file=sys.stderr); sys.exit(3)"
    with pytest.raises(StepError, match="packing failed: no space left") as caught:
        run_logged([sys.executable, "-c", script], log=log, console=Console(output), what="packing", remedy="Tidy up")

    assert caught.value.log == log
    assert "before" in log.read_text()


def test_a_command_that_says_nothing_is_called_by_its_name(tmp_path: Path):
    terminal = Terminal()
    command = [sys.executable, "-c", "import time; time.sleep(1); raise SystemExit(3)"]
    with pytest.raises(StepError, match="packing failed: code 3"):
        run_logged(command, log=tmp_path / "log", console=Console(terminal), what="packing", remedy="Tidy up")

    assert "packing" in terminal.getvalue()
    assert sys.executable not in terminal.getvalue()


def test_a_command_that_is_missing_is_said(output: io.StringIO, tmp_path: Path):
    with pytest.raises(StepError, match=r"packing did not start: .*/none"):
        run_logged(["/none"], log=tmp_path / "log", console=Console(output), what="packing", remedy="Install it")


def test_a_command_that_hangs_is_ended(output: io.StringIO, tmp_path: Path):
    with pytest.raises(StepError, match="took longer"):
        run_logged(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            log=tmp_path / "log",
            console=Console(output),
            what="sleeping",
            remedy="Wake up",
            timeout_seconds=0.2,
        )


def test_progress_is_live_on_a_terminal_and_rare_elsewhere(output: io.StringIO):
    terminal = Terminal()
    for stream in (terminal, output):
        console = Console(stream)
        console.begin("[1/1] long")
        console.progress("half way")
        console.end("done")

    assert "half way" in terminal.getvalue()
    assert output.getvalue() == "[1/1] long: done\n"


@pytest.mark.parametrize(
    ("content", "expected"), [(b"", ""), (b"a\nb\n\n", "b"), (b"10%\r20%\r", "20%"), (b"\xff\n", "\ufffd")]
)
def test_the_last_line_that_says_something(tmp_path: Path, content: bytes, expected: str):
    (tmp_path / "log").write_bytes(content)
    assert last_line(tmp_path / "log") == expected


@pytest.mark.parametrize("content", [b"", b"other", b"\xff\xfe", None])
def test_a_damaged_stamp_means_doing_it_again(tmp_path: Path, content: bytes | None):
    if content is not None:
        (tmp_path / "stamp").write_bytes(content)
    assert not stamp_matches(tmp_path / "stamp", "value")


# A sudo that knows the password as soon as it has asked.
SUDO = """#!/bin/sh
printf "%s\n" "$*" >> "$0.log"
case "$*" in
    -v) test -e "$0.refuses" && exit 1; touch "$0.knows" ;;
    *) test -e "$0.knows" ;;
esac
"""


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "sudo"
    path.write_text(SUDO)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    return path


def questions(sudo: Path) -> list[str]:
    return sudo.with_name("sudo.log").read_text().splitlines()


def test_sudo_is_asked_once_and_reminded(output: io.StringIO, sudo: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(steps, "SUDO_SECONDS", 0.05)
    with authenticated(Console(output), why="the tests need root"):
        deadline = time.monotonic() + 20
        while len(questions(sudo)) < 6 and time.monotonic() < deadline:
            time.sleep(0.02)
    asked = questions(sudo)
    time.sleep(0.2)

    assert output.getvalue() == "sudo is asked, once: the tests need root\n"
    assert asked.count("-v") == 1
    assert asked[-1] == "-n true"
    assert questions(sudo) == asked, "nobody reminds it any more"


def test_a_sudo_that_needs_no_password_is_not_asked(output: io.StringIO, sudo: Path):
    sudo.with_name("sudo.knows").touch()
    with authenticated(Console(output), why="the tests need root"):
        assert questions(sudo) == ["-n true"]
    assert output.getvalue() == ""


@pytest.mark.parametrize("is_there", [True, False])
def test_a_sudo_that_refuses_is_said(output: io.StringIO, sudo: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool):
    sudo.with_name("sudo.refuses").touch()
    if not is_there:
        monkeypatch.setenv("PATH", "/nowhere")
    with (
        pytest.raises(StepError, match="sudo refused" if is_there else "no sudo"),
        authenticated(Console(output), why="…"),
    ):
        pytest.fail("went on")
