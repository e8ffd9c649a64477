"""The state directory: secrets for one pair of eyes, one Eve at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.local import state
from deploy.local.config import LocalConfig
from deploy.local.steps import StepError


@pytest.fixture
def config(tmp_path: Path) -> LocalConfig:
    made = LocalConfig.from_environment({"EVE_STATE_DIR": str(tmp_path / "var")})
    state.state_make(made)
    return made


def test_secrets_are_made_once_and_readable_by_their_owner_alone(config: LocalConfig):
    state.secrets_make(config)
    key, password = ((config.state_dir / name).read_text() for name in ("secret-key", "admin-password"))
    assert state.secrets_exist(config)
    state.secrets_make(config)

    assert (config.state_dir / "secret-key").read_text() == key
    assert (config.state_dir / "admin-password").read_text() == password
    assert len(key.strip()) >= 64
    assert len(password.strip()) >= 20
    for name in ("secret-key", "admin-password"):
        assert (config.state_dir / name).stat().st_mode & 0o777 == 0o600
    assert config.state_dir.stat().st_mode & 0o777 == 0o700


def test_a_given_password_replaces_the_made_up_one(config: LocalConfig):
    state.secrets_make(config)
    given = LocalConfig.from_environment(
        {"EVE_STATE_DIR": str(config.state_dir), "EVE_ADMIN_PASSWORD": "a long password"}
    )

    assert not state.secrets_exist(given)
    state.secrets_make(given)
    assert (config.state_dir / "admin-password").read_text().strip() == "a long password"


@pytest.mark.parametrize("damage", [b"", b"\n", b"\xff\xfe"])
def test_a_damaged_secret_is_made_again(config: LocalConfig, damage: bytes):
    state.secrets_make(config)
    (config.state_dir / "secret-key").write_bytes(damage)

    assert not state.secrets_exist(config)
    state.secrets_make(config)
    assert len((config.state_dir / "secret-key").read_text()) > 64


def test_a_second_eve_on_the_same_state_is_refused_until_the_first_is_gone(config: LocalConfig):
    first = state.state_lock(config)
    with pytest.raises(StepError, match=rf"already runs.*process {os.getpid()}"):
        state.state_lock(config)

    os.close(first)
    os.close(state.state_lock(config))


def test_a_state_directory_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path):
    (tmp_path / "file").touch()
    config = LocalConfig.from_environment({"EVE_STATE_DIR": str(tmp_path / "file" / "var")})
    with pytest.raises(StepError, match=r"file/var cannot be used") as caught:
        state.state_make(config)
    assert "EVE_STATE_DIR" in caught.value.sentence()
