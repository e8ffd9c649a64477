"""The agent's configuration: one small TOML file, written by ``eve-agent enrol`` and open to an operator's hand."""

from __future__ import annotations

import dataclasses
import ipaddress
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import files

DEFAULT_CONFIG = Path("/etc/eve-agent/agent.toml")
DEFAULT_KEY_DIR = Path("/var/lib/eve-agent")
DEFAULT_PORT = 8443
VIRTUALIZATIONS = ("auto", "kvm", "qemu")
CLIPBOARDS = ("auto", "on", "off")
LOG_LEVELS = ("debug", "info", "warning", "error")


class ConfigError(Exception):
    """The configuration cannot be used; the text names the file, the key, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, or whom to connect to."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """``HOST:PORT``, with an IPv6 address in brackets. Raises ValueError."""
        host, colon, port = text.strip().rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = str(ipaddress.IPv6Address(host[1:-1]))
        elif ":" in host:
            raise ValueError(f"{text!r}: an IPv6 address goes into brackets, as in [::1]:{DEFAULT_PORT}")
        if not colon or not host or not (port.isascii() and port.isdigit()) or not 0 <= int(port) <= 65535:
            raise ValueError(f"{text!r} is no HOST:PORT, such as [::]:{DEFAULT_PORT}")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Config:
    """What ``agent.toml`` may say; every key is optional."""

    listen: str = f"[::]:{DEFAULT_PORT}"
    """``HOST:PORT``; ``[::]`` is every address, IPv6 and IPv4."""
    key_dir: str = str(DEFAULT_KEY_DIR)
    """Folder of key, certificate, CA and pins."""
    libvirt_uri: str = "qemu:///system"
    libvirt_call_timeout_seconds: float = 20.0
    virtualization: str = "auto"
    """``kvm`` or ``qemu`` for the machines that are made here; ``auto``: KVM where a probe runs under it."""
    clipboard: str = "auto"
    """Whether machines that are made here share their clipboard with who is at their screen; ``auto``: where that takes no snapshots from them."""
    log_level: str = "info"

    @property
    def listen_address(self) -> Address:
        """:attr:`listen`, parsed."""
        return Address.parse(self.listen)

    @property
    def identity_dir(self) -> Path:
        """The folder that holds the identity in use (a link, so that a new enrolment replaces it in one step)."""
        return Path(self.key_dir) / "current"

    @classmethod
    def load(cls, path: Path) -> Config:
        """The configuration in `path`. Raises ConfigError."""
        try:
            values = tomllib.loads(path.read_text())
        except FileNotFoundError:
            raise ConfigError(
                f"{path} is missing: enrol this host first (eve-agent enrol), or name it by --config"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path} is no TOML: {error}") from error
        return cls._checked(values, path)

    def save(self, path: Path) -> None:
        """Writes it to `path`, whole or not at all. Raises OSError."""
        lines = ["# eve-agent's configuration; see `eve-agent run --help`. Secrets are not here but in key_dir."]
        lines += [f"{field.name} = {_toml(getattr(self, field.name))}" for field in dataclasses.fields(self)]
        files.write_atomically(path, ("\n".join(lines) + "\n").encode(), mode=0o644)

    @classmethod
    def _checked(cls, values: dict[str, Any], path: Path) -> Config:
        kinds = {field.name: type(field.default) for field in dataclasses.fields(cls)}
        for key, value in values.items():
            if key not in kinds:
                raise ConfigError(f"{path}: unknown key {key!r}; known are {', '.join(kinds)}")
            if kinds[key] is float and type(value) is int:
                values[key] = float(value)
            elif type(value) is not kinds[key]:
                words = {str: "a text in quotes", float: "a number"}[kinds[key]]
                raise ConfigError(f"{path}: {key} has to be {words}, not {value!r}")
        config = cls(**values)
        config._check_values(path)
        return config

    def _check_values(self, path: Path) -> None:
        try:
            Address.parse(self.listen)
        except ValueError as error:
            raise ConfigError(f"{path}: listen: {error}") from error
        if not Path(self.key_dir).is_absolute():
            raise ConfigError(f"{path}: key_dir: {self.key_dir!r} is no absolute path")
        if not 1 <= self.libvirt_call_timeout_seconds <= 600:
            raise ConfigError(f"{path}: libvirt_call_timeout_seconds: has to be between 1 and 600")
        if self.virtualization not in VIRTUALIZATIONS:
            raise ConfigError(
                f"{path}: virtualization: {self.virtualization!r} is none of {', '.join(VIRTUALIZATIONS)}"
            )
        if self.clipboard not in CLIPBOARDS:
            raise ConfigError(f"{path}: clipboard: {self.clipboard!r} is none of {', '.join(CLIPBOARDS)}")
        if self.log_level not in LOG_LEVELS:
            raise ConfigError(f"{path}: log_level: {self.log_level!r} is none of {', '.join(LOG_LEVELS)}")


def _toml(value: str | float) -> str:
    if isinstance(value, float):
        return repr(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"' + "".join(f"\\u{ord(char):04X}" if ord(char) < 32 or ord(char) == 127 else char for char in escaped) + '"'
    )
