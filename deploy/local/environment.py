"""The virtual environment and the npm packages: everything that is not Debian's, by locked versions and hashes."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from deploy.local.config import LocalConfig
from deploy.local.steps import Console, StepError, run_logged, stamp_matches
from deploy.local.vendor import VendorError, vendor_complete, vendor_copy

BASE_LOCKS = ("requirements/base.txt", "requirements/agent.txt")
TEST_LOCKS = ("requirements/dev.txt",)
VENDOR_INPUTS = ("package-lock.json", "static/eve/icons.txt", "deploy/local/vendor.py")


def digest(root: Path, names: Iterable[str]) -> str:
    """One hash over several files of the tree."""
    total = hashlib.sha256()
    for name in names:
        total.update(name.encode() + b"\0" + (root / name).read_bytes() + b"\0")
    return total.hexdigest()


def venv_stamp(config: LocalConfig, *, with_tests: bool) -> str:
    """What the environment's stamp holds when it is complete. One with the tests' packages also serves without them."""
    locks = digest(config.root, (*BASE_LOCKS, "agent/pyproject.toml"))
    tests = digest(config.root, TEST_LOCKS) if with_tests else "-"
    return f"{sys.version_info[0]}.{sys.version_info[1]} {config.root} {locks} {tests}\n"


def venv_is_ready(config: LocalConfig, *, with_tests: bool) -> bool:
    """Whether the environment holds what the locks say."""
    if not Path(config.python).exists():
        return False
    stamp = config.venv / "eve-stamp"
    if stamp_matches(stamp, venv_stamp(config, with_tests=with_tests)):
        return True
    return not with_tests and stamp_matches(stamp, venv_stamp(config, with_tests=True))


def venv_make(config: LocalConfig, *, with_tests: bool, console: Console) -> str:
    """Make or update the environment. Raises StepError."""
    log = config.log_dir / "python.log"
    stamp = config.venv / "eve-stamp"
    stamp.unlink(missing_ok=True)
    retry = "Check the network, then run make again; if it fails again, delete .venv first"
    if not _is_usable(config):
        shutil.rmtree(config.venv, ignore_errors=True)
        run_logged(
            [sys.executable, "-m", "venv", str(config.venv)],
            log=log,
            console=console,
            what="python3 -m venv",
            remedy=retry,
        )
    pip = [config.python, "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    # One call for each lock: pip refuses the same requirement from two files with different hashes.
    for lock in (*BASE_LOCKS, *(TEST_LOCKS if with_tests else ())):
        run_logged(
            [*pip, "--require-hashes", "-r", lock],
            log=log,
            console=console,
            what=f"installing {lock}",
            remedy=retry,
            cwd=config.root,
        )
    run_logged(
        [*pip, "--no-deps", "-e", "agent/"],
        log=log,
        console=console,
        what="installing the agent",
        remedy=retry,
        cwd=config.root,
    )
    stamp.write_text(venv_stamp(config, with_tests=with_tests))
    return "ready"


def _is_usable(config: LocalConfig) -> bool:
    """Whether there is an environment of this very Python version."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return Path(config.python).exists() and (config.venv / "lib" / version / "site-packages" / "pip").is_dir()


def pages_are_ready(config: LocalConfig, *, with_tests: bool) -> bool:
    """Whether static/vendor holds what package-lock.json says, and node_modules what only the tests use."""
    stamp = config.root / "static" / "vendor" / ".stamp"
    if with_tests and not (config.root / "node_modules" / "axe-core").is_dir():
        return False
    return vendor_complete(root=config.root) and stamp_matches(stamp, digest(config.root, VENDOR_INPUTS))


def pages_make(config: LocalConfig, *, console: Console) -> str:
    """Install the npm packages and copy what the pages load. Raises StepError."""
    run_logged(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        log=config.log_dir / "npm.log",
        console=console,
        what="npm ci",
        remedy="Check the network and npm's registry setting, then run make again",
        cwd=config.root,
        environment={"npm_config_update_notifier": "false"},
    )
    try:
        manifest = vendor_copy(root=config.root)
    except (VendorError, OSError) as error:
        raise StepError(str(error), remedy="Mend that, then run make again") from error
    (config.root / "static" / "vendor" / ".stamp").write_text(digest(config.root, VENDOR_INPUTS))
    return ", ".join(Path(folder).name for folder in manifest.values())


def static_signature(root: Path) -> str:
    """Changes whenever a file under static/ does."""
    total = hashlib.sha256()
    for path in sorted((root / "static").rglob("*")):
        if path.is_file():
            status = path.stat()
            total.update(f"{path.relative_to(root)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return total.hexdigest()
