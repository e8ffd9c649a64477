"""Runs the JavaScript tests with Node's own runner, and holds the console's causes against the wire contract."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from eve_agent.wire.close import RETRYABLE, CloseCode

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CONSOLE = ROOT / "static" / "eve" / "console"
SERIAL = ROOT / "static" / "eve" / "serial"


def _node(*arguments: str) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    assert node, "Node.js is needed for the tests: `make test` installs it."
    return subprocess.run([node, *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)


@pytest.mark.parametrize("tests", [path.name for path in sorted(HERE.glob("*.test.mjs"))])
def test_what_scripts_decide(tests):
    done = _node("--test", str(HERE / tests))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def causes() -> dict[int, dict[str, Any]]:
    """What each close code means for the page."""
    script = (
        f"import({json.dumps((CONSOLE / 'causes.js').as_uri())})"
        ".then((m) => console.log(JSON.stringify({codes: m.CAUSE_OF_CODE})))"
    )
    done = _node("-e", script)
    assert done.returncode == 0, done.stderr
    return {int(code): cause for code, cause in json.loads(done.stdout)["codes"].items()}


def test_every_close_code_has_a_cause(causes):
    says_nothing = {CloseCode.NORMAL, CloseCode.GOING_AWAY}
    assert set(causes) == {int(code) for code in CloseCode if code not in says_nothing}


def test_only_retryable_codes_are_retried(causes):
    assert {code for code, cause in causes.items() if cause["then"] == "retry"} == {int(code) for code in RETRYABLE}


def test_the_picture_is_cleared_when_permission_ended(causes):
    assert all(
        causes[code]["clear"]
        for code in (CloseCode.ACCESS_ENDED, CloseCode.ENDED_BY_STAFF, CloseCode.VM_GONE, CloseCode.IDLE_LIMIT)
    )


def test_every_cause_and_phase_has_a_message(causes):
    messages = set(re.findall(r'data-message="(\w+)"', (ROOT / "templates/consoles/messages.html").read_text()))
    named = set(re.findall(r'(?:retry|end)\("(\w+)"', (CONSOLE / "causes.js").read_text())) | {"off"}
    assert {cause["key"] for cause in causes.values()} <= named
    phases = {"asking", "opening", "drawing", "checking", "off", "crashed", "missing", "library", "elsewhere"}
    assert messages == named | phases


def test_every_word_of_the_scripts_is_in_the_page():
    page = set(re.findall(r'data-word="([\w-]+)"', (ROOT / "templates/consoles/words.html").read_text()))
    scripts = "".join(path.read_text() for folder in (CONSOLE, SERIAL) for path in folder.glob("*.js"))
    said = set(re.findall(r'(?:word|tell)\("([\w-]+)"', scripts))
    assert said <= page
    actions = ("start", "resume", "shutdown", "reboot", "suspend", "reset", "stop")
    assert {f"doing-{action}" for action in actions} | {f"done-{action}" for action in actions} <= page


def test_scripts_never_write_html_or_read_addresses_from_the_page():
    for path in [
        *CONSOLE.glob("*.js"),
        *SERIAL.glob("*.js"),
        ROOT / "static/eve/eve.js",
        ROOT / "static/eve/address.js",
        ROOT / "static/eve/theme.js",
        ROOT / "static/eve/graphs.js",
        ROOT / "static/eve/figures.js",
    ]:
        text = path.read_text()
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert forbidden not in text, f"{path.name}: {forbidden}"
        assert not re.search(r"location\.(search|hash)|document\.URL\b|URLSearchParams", text), path.name
