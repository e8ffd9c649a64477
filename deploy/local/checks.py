"""``make test``: every check and every test, one summary, exit code 1 if anything failed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.local.config import ROOT, LocalConfig
from deploy.local.steps import Console, StepError, authenticated, last_line
from deploy.local.supervisor import last_lines

HOOKS = ("ruff", "ruff-format", "mypy", "djlint", "import-arrows")
"""Of .pre-commit-config.yaml, where each linter is told what to look at."""
DATABASE_TESTS = ("common", "accounts", "hypervisors", "operations", "vms", "consoles", "notifications")
"""Folders under tests/ with models and API, which run again on PostgreSQL."""
SQLITE_ONLY = ("tests/vms/test_agent_away.py", "tests/vms/test_cancelled.py", "tests/vms/test_killed_undo.py")
"""Of those, sweeps over every step of every change: what a kill leaves in PostgreSQL is shown by tests/vms/test_killed.py."""
LAYER_TESTS = ("common", "consoles")
"""Folders under tests/ that run again with Redis as the channel layer. tests/security starts a Redis of its own."""
BROWSER_TESTS = "tests/e2e"
SHOWN_LINES = 60
CLEARED = ("EVE_", "DATABASE_URL", "REDIS_URL", "DJANGO_")


@dataclass(frozen=True, slots=True)
class Check:
    """One command; what it is called in the summary, and how long it may take at most."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    minutes: float = 5
    again: tuple[str, ...] = ()
    """What to run if it fails: the failed tests once more, one after the other. Many tests wait for real programs, and a
    machine that is busy with something else may make one of them late; the summary names every test that needed this."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended."""

    check: Check
    is_good: bool
    seconds: float
    words: str


def lint_checks() -> list[Check]:
    """Checks that read the code and run none of it."""
    return [
        *(_hook(name) for name in HOOKS),
        Check("settings for production", _manage("check", "--deploy", "--fail-level", "WARNING"), _production()),
        Check("migrations", _manage("makemigrations", "--check", "--dry-run"), _production()),
    ]


def test_checks(*, database_url: str, redis_url: str) -> list[Check]:
    """The tests: on SQLite, again on PostgreSQL and Redis, and in a browser."""
    # In the order of their names: the longest files have the fewest tests, and would be begun last.
    parallel = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
    checks = [
        _tests("tests", f"--ignore={BROWSER_TESTS}", "tests", options=parallel, minutes=60),
        _tests(
            "tests on PostgreSQL",
            *_folders(DATABASE_TESTS),
            *(f"--ignore={path}" for path in SQLITE_ONLY),
            options=parallel,
            environment={"DATABASE_URL": database_url},
            minutes=20,
        ),
        _tests(
            "tests on Redis",
            *_folders(LAYER_TESTS),
            options=parallel,
            environment={"REDIS_URL": redis_url},
            minutes=5,
        ),
    ]
    if (ROOT / BROWSER_TESTS).is_dir():
        # A call of its own: Playwright's event loop and pytest-asyncio's do not share a process.
        checks.append(
            _tests(
                "tests in a browser",
                BROWSER_TESTS,
                options=parallel,
                environment={"DJANGO_ALLOW_ASYNC_UNSAFE": "1"},
                minutes=45,
            )
        )
    return checks


def _tests(
    name: str,
    *what: str,
    minutes: float,
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Check:
    cache = f"cache_dir={ROOT / 'build' / 'pytest' / name.replace(' ', '-').lower()}"
    pytest = (sys.executable, "-m", "pytest", "-o", cache, "-q", "--tb=short")
    again = (*pytest, "--last-failed", "--last-failed-no-failures", "none", *what)
    return Check(name, (*pytest, *options, *what), environment or {}, minutes, again)


def test(config: LocalConfig, *, console: Console) -> int:
    """Run everything and say how it went. Returns 0 if all is well."""
    with authenticated(
        console, why="the tests run a libvirt of their own as root, which touches nothing of this machine's"
    ):
        return _test(config, console=console)


def _test(config: LocalConfig, *, console: Console) -> int:
    from tests.services import databases  # noqa: PLC0415 - the tests' services are no part of `make run`

    outcomes = run_checks(lint_checks(), console=console, log_dir=config.log_dir / "test")
    try:
        with databases.postgres() as database_url, databases.redis() as redis_url, _terminable():
            tests = test_checks(database_url=database_url, redis_url=redis_url)
            outcomes += run_checks(tests, console=console, log_dir=config.log_dir / "test")
    except databases.ServiceError as error:
        raise StepError(str(error), remedy="Then run make test again") from error
    return _summarise(outcomes, console=console)


def run_checks(checks: list[Check], *, console: Console, log_dir: Path) -> list[Outcome]:
    """Run checks one after the other; the output of one that fails is shown."""
    log_dir.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for check in checks:
        log = log_dir / f"{check.name.replace(' ', '-').lower()}.log"
        console.begin(check.name)
        outcome = _run(check, log=log, console=console)
        if not outcome.is_good and check.again:
            outcome = _run_again(outcome, log=log, console=console)
        outcomes.append(outcome)
        console.end(outcome.words)
        if not outcome.is_good:
            for line in last_lines(log, count=SHOWN_LINES):
                console.line(f"    {line}")
    return outcomes


def _run(check: Check, *, log: Path, console: Console) -> Outcome:
    started = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(CLEARED)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            check.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**environment, **check.environment},
            process_group=0,  # of the same terminal, for which sudo remembers the password
        )
    try:
        while process.poll() is None:
            console.progress(last_line(log)[-80:] or "started")
            if time.monotonic() - started > check.minutes * 60:
                return Outcome(
                    check, False, time.monotonic() - started, f"FAILED: longer than {check.minutes:.0f} minutes"
                )
            time.sleep(0.2)
    finally:
        if process.poll() is None:
            _end_group(process)
    seconds = time.monotonic() - started
    if process.returncode == 0:
        return Outcome(check, True, seconds, f"ok: {last_line(log)}" if "pytest" in check.command else "ok")
    return Outcome(check, False, seconds, f"FAILED with code {process.returncode}")


def _run_again(first: Outcome, *, log: Path, console: Console) -> Outcome:
    late = [line.removeprefix("FAILED ").split(" - ")[0] for line in last_lines(log, count=400) if _names_failed(line)]
    if not late:
        return first
    log.rename(log.with_suffix(".first.log"))
    second = _run(replace(first.check, command=first.check.again), log=log, console=console)
    words = f"{second.words}; at the second try, one by one: {', '.join(late)}" if second.is_good else second.words
    return Outcome(first.check, second.is_good, first.seconds + second.seconds, words)


def _names_failed(line: str) -> bool:
    return line.startswith(("FAILED ", "ERROR tests/"))


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(process.pid, number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
        return


def _summarise(outcomes: list[Outcome], *, console: Console) -> int:
    console.line("")
    for outcome in outcomes:
        console.line(f"{'ok    ' if outcome.is_good else 'FAILED'}  {outcome.seconds:6.1f} s  {outcome.check.name}")
    failed = [outcome.check.name for outcome in outcomes if not outcome.is_good]
    total = sum(outcome.seconds for outcome in outcomes) / 60
    if failed:
        console.line(f"{len(failed)} of {len(outcomes)} failed after {total:.1f} minutes: {', '.join(failed)}")
        return 1
    console.line(f"All {len(outcomes)} are well after {total:.1f} minutes.")
    return 0


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the tests as Ctrl-C does, so that their services end too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _hook(name: str) -> Check:
    # Not at home, where pre-commit would leave its records.
    environment = {"PRE_COMMIT_HOME": str(ROOT / "build" / "pre-commit")}
    return Check(name.replace("-", " "), (_tool("pre-commit"), "run", name, "--all-files"), environment)


def _manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "manage.py", *arguments)


def _folders(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"tests/{name}" for name in names if (ROOT / "tests" / name).is_dir())


def _production() -> dict[str, str]:
    """An environment as an installation has it."""
    return {
        "EVE_PUBLIC_URL": "https://eve.example.org",
        "EVE_SECRET_KEY": secrets.token_urlsafe(64),
        "EVE_STATE_DIR": str(Path(tempfile.gettempdir()) / "eve-checks"),
    }


def _main() -> int:
    console = Console()
    if sys.argv[1:] != ["lint"]:
        console.line("usage: python -m deploy.local.checks lint")
        return 2
    log_dir = LocalConfig.from_environment(os.environ).log_dir / "test"
    return _summarise(run_checks(lint_checks(), console=console, log_dir=log_dir), console=console)


if __name__ == "__main__":
    sys.exit(_main())
