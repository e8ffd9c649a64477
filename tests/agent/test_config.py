"""The configuration file: what it takes, and how it says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from eve_agent.config import Address, Config, ConfigError


def test_an_empty_file_is_all_defaults(tmp_path: Path):
    (tmp_path / "agent.toml").write_text("")
    assert Config.load(tmp_path / "agent.toml") == Config()


def test_what_is_saved_is_loaded(tmp_path: Path):
    config = Config(
        listen="[2001:db8::1]:9000",
        key_dir='/a "quoted" \\ path\n',
        libvirt_uri="test:///default",
        libvirt_call_timeout_seconds=1.5,
        log_level="debug",
    )
    path = tmp_path / "agent.toml"
    config.save(path)
    assert Config.load(path) == config
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('listne = "x"', "unknown key 'listne'; known are listen, key_dir"),
        ("listen = 8443", "listen has to be a text in quotes, not 8443"),
        ('listen = "8443"', "listen: '8443' is no HOST:PORT"),
        ('listen = "::1:8443"', r"listen: .* goes into brackets"),
        ('listen = "[::1]:70000"', "no HOST:PORT"),
        ('key_dir = "relative"', "key_dir: 'relative' is no absolute path"),
        ("libvirt_call_timeout_seconds = true", "libvirt_call_timeout_seconds has to be a number"),
        ("libvirt_call_timeout_seconds = 0", "between 1 and 600"),
        ("libvirt_call_timeout_seconds = nan", "between 1 and 600"),
        ('clipboard = "yes"', "clipboard: 'yes' is none of auto, on, off"),
        ('log_level = "loud"', "log_level: 'loud' is none of debug, info"),
        ("listen = ", "is no TOML"),
    ],
)
def test_mistakes_are_named_with_file_and_key(tmp_path: Path, text: str, words: str):
    path = tmp_path / "agent.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as error:
        Config.load(path)
    assert str(path) in str(error.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path):
    with pytest.raises(ConfigError, match="enrol this host first"):
        Config.load(tmp_path / "agent.toml")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:1", Address("127.0.0.1", 1)),
        ("[::]:8443", Address("::", 8443)),
        ("[2001:DB8::0:1]:8443", Address("2001:db8::1", 8443)),
        ("host.example:443", Address("host.example", 443)),
    ],
)
def test_addresses(text: str, address: Address):
    assert Address.parse(text) == address
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", ":", ":1", "host", "host:", "host:x", "host:-1", "[::1]", "[nonsense]:1", "h:²"])
def test_what_is_no_address(text: str):
    with pytest.raises(ValueError, match=r"."):
        Address.parse(text)
