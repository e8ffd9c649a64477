"""The state directory: one user of it at a time, secrets that only its owner reads."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

from deploy.local.config import LocalConfig
from deploy.local.steps import StepError


def state_make(config: LocalConfig) -> None:
    """Make the state directory and its log folder (0700). Raises StepError."""
    try:
        for folder in (config.state_dir, config.log_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        config.state_dir.chmod(0o700)
    except OSError as error:
        raise StepError(
            f"the state directory {config.state_dir} cannot be used: {error.strerror}",
            remedy="It may belong to another user (was make once run as root?): name another by EVE_STATE_DIR, or give it to yourself",
        ) from error


def state_lock(config: LocalConfig) -> int:
    """Lock the state directory until this process ends. Returns the lock's descriptor. Raises StepError."""
    path = config.state_dir / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise StepError(
            f"Eve already runs from {config.state_dir} (process {holder})",
            remedy="Stop it first, or start a second Eve with its own EVE_STATE_DIR, EVE_PORT and EVE_AGENT_PORT",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def secrets_exist(config: LocalConfig) -> bool:
    """Whether nothing has to be made up or replaced."""
    if not all(_read(config.state_dir / name) for name in ("secret-key", "admin-password")):
        return False
    return config.admin_password in (None, _read(config.state_dir / "admin-password"))


def secrets_make(config: LocalConfig) -> str:
    """Make up the secret key and the first administrator's password, once; take EVE_ADMIN_PASSWORD where it is given."""
    if not _read(config.state_dir / "secret-key"):
        _write(config.state_dir / "secret-key", secrets.token_urlsafe(64))
    if config.admin_password is not None:
        _write(config.state_dir / "admin-password", config.admin_password)
    elif not _read(config.state_dir / "admin-password"):
        _write(config.state_dir / "admin-password", secrets.token_urlsafe(15))
    return f"in {config.state_dir}, readable by you alone"


def _read(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip()
    return ""


def _write(path: Path, content: str) -> None:
    """Write a secret whole or not at all, never readable by others."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{content}\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
