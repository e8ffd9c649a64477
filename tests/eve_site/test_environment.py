"""Each variable has a type, and each mistake a sentence: no traceback, no silence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eve_site.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
Read = Callable[[Environment], Any]


def read(variables: dict[str, str], how: Read) -> tuple[Any, list[str]]:
    """What is read, and the codes of what was minded."""
    environment = Environment(variables)
    return how(environment), [problem.code for problem in environment.problems]


READERS: dict[str, tuple[Read, Any, dict[str, Any], list[str]]] = {
    "flag": (
        lambda env: env.flag("X", default=True),
        True,
        {"false": False, "No": False, "0": False, "on": True},
        ["maybe", "2"],
    ),
    "number": (
        lambda env: env.number("X", 5.0, least=0.1, most=60),
        5.0,
        {"0.1": 0.1, "60": 60.0},
        ["abc", "nan", "inf", "5s"],
    ),
    "whole": (lambda env: env.whole("X", 30, least=5, most=300), 30, {"5": 5, " 300 ": 300}, ["abc", "5.5", "0x10"]),
    "choice": (lambda env: env.choice("X", "INFO", ("INFO", "DEBUG")), "INFO", {"debug": "DEBUG"}, ["loud"]),
    "folder": (
        lambda env: env.folder("X", Path("/srv")),
        Path("/srv"),
        {"/tmp/new/er": Path("/tmp/new/er")},
        ["/etc/passwd", "/etc/passwd/eve"],
    ),
    "address": (
        lambda env: env.address("X", "127.0.0.1"),
        "127.0.0.1",
        {"::": "::", "[::1]": "::1"},
        ["localhost:8000", "eve.example.org"],
    ),
    "time zone": (
        lambda env: env.time_zone("X", "UTC"),
        "UTC",
        {"Europe/Berlin": "Europe/Berlin"},
        ["Mars/Olympus", "Europe", "../etc/passwd"],
    ),
    "redis": (
        lambda env: env.redis("X"),
        "",
        {address: address for address in ("redis://h", "rediss://u:p@[::1]:6380/1", "unix:///run/redis")},
        ["nonsense", "redis://", "redis://h:abc", "redis://h/x", "http://h", "unix://"],
    ),
}


@pytest.mark.parametrize("kind", READERS)
def test_what_a_reader_takes_and_what_it_minds(kind: str) -> None:
    how, default, good, bad = READERS[kind]
    assert read({}, how) == read({"X": ""}, how) == (default, [])
    for text, value in good.items():
        assert read({"X": text}, how) == (value, [])
    for text in bad:
        assert read({"X": text}, how) == (default, ["eve.E006"]), text


@pytest.mark.parametrize("text", ["4", "301", "-30"])
def test_a_number_out_of_its_range(text: str) -> None:
    assert read({"X": text}, lambda env: env.whole("X", 30, least=5, most=300)) == (30, ["eve.E005"])
    assert read({"X": text}, lambda env: env.number("X", 30, least=5, most=300)) == (30, ["eve.E005"])


@pytest.mark.parametrize(
    "text",
    [
        "eve.example.org",
        "ftp://eve.example.org",
        "https://eve.example.org/eve",
        "https://",
        "http://[::1",
        "http://h:x",
    ],
)
def test_what_is_no_origin(text: str) -> None:
    assert read({"X": text}, lambda env: env.origin("X", "http://h")) == ("http://h", ["eve.E002"])
    assert read({"X": f"{text},https://b"}, lambda env: env.origins("X")) == (["https://b"], ["eve.E004"])


def test_origins_lose_their_last_slash() -> None:
    assert read({"X": "https://h:8443/"}, lambda env: env.origin("X", "http://h")) == ("https://h:8443", [])
    assert read({"X": "https://a/, https://[::1]"}, lambda env: env.origins("X")) == (
        ["https://a", "https://[::1]"],
        [],
    )


def test_networks() -> None:
    assert read({"X": "127.0.0.1, 2001:db8::/64"}, lambda env: env.networks("X")) == (
        ["127.0.0.1", "2001:db8::/64"],
        [],
    )
    assert read({"X": "*,proxy"}, lambda env: env.networks("X")) == ([], ["eve.E003", "eve.E003"])


def test_a_database(tmp_path: Path) -> None:
    default = f"sqlite:///{tmp_path / 'db'}"

    def how(env: Environment) -> Any:
        return env.database("X", default)

    assert read({}, how)[0]["NAME"] == str(tmp_path / "db")
    config, minded = read({"X": "postgres://eve:s3cret@[::1]:5433/eve"}, how)
    assert (config["HOST"].strip("[]"), config["PORT"], config["NAME"], minded) == ("::1", 5433, "eve", [])
    for text in ("nonsense", "mysql://h/eve", "postgres://h", "postgres://h:abc/eve", "postgres://"):
        config, minded = read({"X": text}, how)
        # Not the default: nothing may be written to another database than the one that was meant.
        assert (config["ENGINE"], minded) == ("django.db.backends.dummy", ["eve.E006"]), text


def test_a_mailer() -> None:
    def how(env: Environment) -> Any:
        return env.mailer("X", "dummymail://")

    assert read({}, how)[0]["EMAIL_BACKEND"].endswith("dummy.EmailBackend")
    config, minded = read({"X": "smtp+tls://eve:s3cret@mail.example.org:587"}, how)
    assert (config["EMAIL_HOST"], config["EMAIL_PORT"], config["EMAIL_USE_TLS"], minded) == (
        "mail.example.org",
        587,
        True,
        [],
    )
    for text in ("nonsense", "smtp://", "smtp://h:abc", "http://h"):
        assert read({"X": text}, how)[1] == ["eve.E006"], text


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    variables = {"EVE_SECRET_KEY": "another", "EVE_SECRET_KEY_FILE": str(path)}
    assert read(variables, lambda env: env.text("EVE_SECRET_KEY")) == ("s3cret", [])


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_file_that_gives_nothing(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    environment = Environment({"X_FILE": str(path)})
    assert environment.text("X") == ""
    assert [(problem.code, problem.variable) for problem in environment.problems] == [("eve.E007", "X_FILE")]
    assert str(path) in str(environment.problems[0].what)


def test_secrets_are_not_shown() -> None:
    environment = Environment(dict.fromkeys(("D", "R", "M"), "ftp://eve:s3cret@h/x"))
    environment.database("D", "sqlite:///x")
    environment.redis("R")
    environment.mailer("M", "dummymail://")
    assert len(environment.problems) == 3
    assert "s3cret" not in "".join(f"{problem.what}{problem.remedy}" for problem in environment.problems)


def test_a_misspelt_variable_is_told_from_others() -> None:
    environment = Environment({"EVE_CONSOLES_PER_WM": "1", "EVE_AGENT_PORT": "1", "EVE_PORT_FILE": "", "HOME": "/"})
    environment.whole("EVE_CONSOLES_PER_VM", 16, least=1, most=1000)
    environment.whole("EVE_PORT", 8000, least=1, most=65535)
    assert environment.lookalikes() == [("EVE_CONSOLES_PER_WM", "EVE_CONSOLES_PER_VM")]


# ------------------------------------------------------------------------------------------------ The real settings

DEFAULTS = {
    "LOGIN_TOKEN_SECONDS": 24 * 3600,
    "PASSWORD_RESET_TIMEOUT": 3600,
    "CONSOLE_TICKET_SECONDS": 30,
    "CONSOLE_IDLE_SECONDS": 30 * 60,
    "CONSOLE_TOTAL_SECONDS": 8 * 3600,
    "CONSOLE_RECHECK_SECONDS": 30,
    "CONSOLES_PER_VM": 16,
    "CONSOLES_PER_USER": 32,
    "RESYNC_SECONDS": 60,
    "TRUSTED_PROXIES": [],
    "EMBEDDED": True,
    "DEBUG": False,
    "SENDS_MAIL": False,
    "REDIS_URL": "",
}
BAD = {
    "DATABASE_URL": "nonsense",
    "REDIS_URL": "nonsense",
    "EVE_AGENT_CONNECT_TIMEOUT_SECONDS": "soon",
    "EVE_ALLOWED_ORIGINS": "*",
    "EVE_BIND": "everywhere",
    "EVE_CONSOLE_IDLE_SECONDS": "abc",
    "EVE_CONSOLES_PER_VM": "0",
    "EVE_DEBUG": "perhaps",
    "EVE_EMAIL_URL": "nonsense",
    "EVE_EMBEDDED": "maybe",
    "EVE_LOG_FORMAT": "xml",
    "EVE_LOG_LEVEL": "loud",
    "EVE_PORT": "http",
    "EVE_PUBLIC_URL": "http://[::1",
    "EVE_SECRET_KEY_FILE": "/nowhere/key",
    "EVE_STATE_DIR": "/etc/passwd/eve",
    "EVE_TIME_ZONE": "Mars/Olympus",
    "EVE_TRUSTED_PROXIES": "proxy",
}


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with Eve's settings and nothing in the environment but these variables."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**kept, "DJANGO_SETTINGS_MODULE": "eve_site.settings", **variables}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_defaults() -> None:
    code = f"from eve_site import settings; print([getattr(settings, name) for name in {list(DEFAULTS)!r}])"
    done = python("-c", code)
    assert done.stdout.strip() == repr(list(DEFAULTS.values())), done.stderr


@pytest.mark.parametrize(
    ("url", "host"), [("http://[fd00::7]:8000", "[fd00::7]"), ("https://eve.example.org", "eve.example.org")]
)
def test_the_public_address_is_allowed(url: str, host: str) -> None:
    done = python("-c", "from eve_site import settings; print(settings.ALLOWED_HOSTS)", EVE_PUBLIC_URL=url)
    assert repr(host) in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "check"],
        ["manage.py", "migrate"],
        ["manage.py", "serve"],
        ["-m", "uvicorn", "eve_site.asgi:application"],
    ],
)
def test_every_mistake_is_said_at_once_and_nothing_begins(command: list[str]) -> None:
    done = python(*command, **BAD)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for variable in BAD:
        assert f"{variable} " in done.stderr, variable


def test_make_run_says_it_in_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local.manage_many"],
        input='["migrate"]\n',
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "EVE_STATE_DIR": str(tmp_path),
            "EVE_SECRET_KEY": "x" * 50,
            "EVE_EMBEDDED": "maybe",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith('{"command": "check", "error": "EVE_EMBEDDED holds')
    assert not list(tmp_path.iterdir())


def test_sqlite_writes_ahead_and_waits(tmp_path: Path) -> None:
    code = """
import django; django.setup()
from django.db import connection, transaction
with connection.cursor() as cursor:
    for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
        print(name, cursor.execute(f"PRAGMA {name}").fetchone()[0])
connection.ensure_connection()
seen = []
connection.connection.set_trace_callback(seen.append)
with transaction.atomic(): pass
print(seen[0])
"""
    done = python("-c", code, EVE_STATE_DIR=str(tmp_path), EVE_SECRET_KEY="x" * 50)
    assert done.stdout.split("\n")[:5] == [
        "journal_mode wal",
        "synchronous 1",
        "foreign_keys 1",
        "busy_timeout 20000",
        "BEGIN IMMEDIATE",
    ], done.stderr
