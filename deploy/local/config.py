"""What ``make run`` reads from the environment."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
"""The source tree."""

DRIVERS = ("libvirt", "fake")


class ConfigError(Exception):
    """A variable holds something that cannot be used; the text names it and says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalConfig:
    """Everything that decides what ``make run`` sets up and where."""

    root: Path = ROOT
    state_dir: Path
    bind: str = "127.0.0.1"
    port: int = 8000
    agent_port: int = 8443
    public_url: str
    admin_email: str = "admin@eve.local"
    admin_password: str | None = None
    driver: str = "libvirt"
    guest_dir: Path = Path("/var/lib/eve-demo")
    demo_name: str = "eve-demo"

    @property
    def log_dir(self) -> Path:
        """Logs of steps and of what runs."""
        return self.state_dir / "log"

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> str:
        """The virtual environment's interpreter."""
        return str(self.venv / "bin" / "python")

    @property
    def local_url(self) -> str:
        """Where Eve answers on this machine: plain http on loopback."""
        return f"http://{_loopback(self.bind)}:{self.port}"

    @property
    def tunnel(self) -> str:
        """What ``ssh -L`` takes to bring Eve's port to another machine."""
        return f"{self.port}:{_loopback(self.bind)}:{self.port}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> LocalConfig:
        """Read and check the variables in docs/run.md. Raises ConfigError."""
        port, bind = _port(environment, "EVE_PORT", 8000), environment.get("EVE_BIND", "127.0.0.1")
        _check_bind(bind)
        public_url = environment.get("EVE_PUBLIC_URL", f"http://{_loopback(bind)}:{port}").rstrip("/")
        if urlsplit(public_url).scheme != "http":
            raise ConfigError(
                f"EVE_PUBLIC_URL is {public_url}, and `make run` serves plain http. For https put a reverse proxy in front and use the units in deploy/."
            )
        driver = environment.get("EVE_DRIVER", "libvirt")
        if driver not in DRIVERS:
            raise ConfigError(f"EVE_DRIVER is {driver!r}: give libvirt, or fake for a made-up hypervisor.")
        password = environment.get("EVE_ADMIN_PASSWORD") or None
        if password is not None and len(password) < 10:
            raise ConfigError(
                "EVE_ADMIN_PASSWORD has fewer than 10 characters: give a longer one, or none to have one made up."
            )
        email = environment.get("EVE_ADMIN_EMAIL", "admin@eve.local")
        if "@" not in email:
            raise ConfigError(f"EVE_ADMIN_EMAIL is {email!r}, which is no e-mail address.")
        agent_port = _port(environment, "EVE_AGENT_PORT", 8443)
        if agent_port == port:
            raise ConfigError(f"EVE_PORT and EVE_AGENT_PORT are both {port}: give two different ports.")
        return cls(
            state_dir=Path(environment.get("EVE_STATE_DIR") or ROOT / "var").absolute(),
            bind=bind,
            port=port,
            agent_port=agent_port,
            public_url=public_url,
            admin_email=email,
            admin_password=password,
            driver=driver,
            guest_dir=Path(environment.get("EVE_GUEST_DIR") or "/var/lib/eve-demo").absolute(),
            demo_name=environment.get("EVE_DEMO_NAME") or "eve-demo",
        )


def _loopback(bind: str) -> str:
    """The address of loopback at which Eve answers, as an address of the web has it."""
    host = "127.0.0.1" if ipaddress.ip_address(bind).is_unspecified else bind
    return f"[{host}]" if ":" in host else host


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise ConfigError(f"{name} is {text!r}: give a port from 1 to 65535.")
    return int(text)


def _check_bind(bind: str) -> None:
    try:
        address = ipaddress.ip_address(bind)
    except ValueError:
        raise ConfigError(f"EVE_BIND is {bind!r}: give an address such as 127.0.0.1, ::1 or 0.0.0.0.") from None
    if not (address.is_loopback or address.is_unspecified):
        raise ConfigError(
            f"EVE_BIND is {bind}: the agent enrols over loopback, so give 127.0.0.1, ::1, or 0.0.0.0 or :: for every address."
        )
