"""The command ``eve-agent``."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from . import __version__, daemon, logs
from .config import DEFAULT_CONFIG, Address, Config, ConfigError
from .driver.base import Driver
from .enrolment import Enrolment, EnrolmentError, enrol
from .errors import AgentError
from .service import certificates
from .service.identity import Identity, IdentityError
from .wire.certs import EnrolmentToken

app = typer.Typer(
    help="Eve's agent: lets one Eve, and nobody else, look after the virtual machines of this host.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class DriverKind(enum.StrEnum):
    """What ``--driver`` takes."""

    LIBVIRT = "libvirt"
    FAKE = "fake"


FAKE_DOMAINS = 3
ConfigOption = Annotated[Path, typer.Option("--config", metavar="FILE", help="The agent's configuration.")]


def main() -> None:
    """Entry point of the console script."""
    app()


@app.command("enrol")
def enrol_command(
    url: Annotated[str, typer.Argument(metavar="URL", help="Eve's address, such as https://eve.example.")],
    *,
    token: Annotated[
        str,
        typer.Option("--token", metavar="TOKEN", envvar="EVE_ENROL_TOKEN", help="The one-use token that Eve showed."),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    key_dir: Annotated[
        Path | None,
        typer.Option(
            "--key-dir", metavar="DIR", help="Folder for key and certificates.  [default: /var/lib/eve-agent]"
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option("--ca-file", metavar="FILE", help="CA of Eve's web address, instead of the system's roots."),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Where to listen, instead of what Eve says."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an enrolment that still works.")] = False,
) -> None:
    """Enrol this host with Eve.

    It makes a key, has it certified, and writes the configuration.
    """
    try:
        wish = Enrolment(
            url=url,
            token=EnrolmentToken.parse(token),
            config_path=config.absolute(),
            key_dir=key_dir,
            ca_file=ca_file,
            listen=Address.parse(listen) if listen else None,
            is_forced=force,
        )
        enrolled = enrol(wish)
    except (EnrolmentError, ValueError) as error:
        _fail(str(error))
    typer.echo(f"This host is enrolled as {enrolled.hypervisor_name}; it will listen on {enrolled.listen}.")
    typer.echo(f"Its certificate is valid until {enrolled.not_after:%Y-%m-%d %H:%M} UTC; Eve renews it.")
    start = "eve-agent run" if config == DEFAULT_CONFIG else f"eve-agent run --config {config}"
    typer.echo(f"Start it now:  systemctl enable --now eve-agent   (after --force: restart)   or by hand:  {start}")


@app.command("run")
def run_command(
    config: ConfigOption = DEFAULT_CONFIG,
    driver: Annotated[DriverKind, typer.Option("--driver", help="fake: a made-up hypervisor.")] = DriverKind.LIBVIRT,
    fake_console: Annotated[
        str | None,
        typer.Option("--fake-console", metavar="tcp:HOST:PORT", help="RFB server behind the fake driver's consoles."),
    ] = None,
    fake_domains: Annotated[
        int | None,
        typer.Option(
            "--fake-domains", metavar="N", min=0, help=f"How many guests the fake driver makes up ({FAKE_DOMAINS})."
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Listen here instead of where the configuration says."),
    ] = None,
) -> None:
    """Serve this host to Eve until SIGTERM or Ctrl-C."""
    try:
        loaded = Config.load(config)
        if listen:
            loaded = replace(loaded, listen=str(Address.parse(listen)))
        made = _driver(loaded, driver, fake_console, fake_domains)
        logs.configure(loaded.log_level)
        daemon.run(loaded, Identity(loaded.identity_dir.resolve()), made)
    except (ConfigError, IdentityError, ValueError) as error:
        _fail(str(error))
    except ImportError as error:
        _fail(f"a part of the agent is not installed ({error}): pip install 'eve-agent[daemon]'")
    except OSError as error:
        _fail(f"cannot listen on {loaded.listen}: {error.strerror or error}")


@app.command("check")
def check_command(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check configuration, key, certificate and libvirt."""
    logging.disable()  # what is wrong is said below, once
    try:
        loaded = Config.load(config)
        typer.echo(f"configuration  {config}: fine, listens on {loaded.listen}")
        identity = Identity(loaded.identity_dir.resolve())
        credential = identity.serving
        certificates.check_agent_certificate(
            credential.certificate,
            key=credential.key,
            ca=identity.authority,
            dns_name=identity.agent_name,
            now=dt.datetime.now(dt.UTC),
        )
        typer.echo(f"certificate    fine, valid until {credential.certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
        typer.echo(f"pins of Eve    {', '.join(sorted(identity.pins))}")
        facts = asyncio.run(_ask_driver(daemon.make_libvirt_driver(loaded)))
        typer.echo(f"libvirt        fine, {facts}")
    except (ConfigError, AgentError, OSError) as error:
        _fail(str(error))
    except ImportError as error:
        _fail(f"a part of the agent is not installed ({error}): pip install 'eve-agent[daemon]'")


@app.command("version")
def version_command() -> None:
    """Print the agent's version."""
    typer.echo(__version__)


async def _ask_driver(driver: Driver) -> str:
    await driver.start()
    try:
        facts = await driver.host_facts()
    finally:
        await driver.close()
    return f"libvirt {facts.libvirt_version}, QEMU {facts.hypervisor_version} on {facts.host_name}"


def _driver(config: Config, kind: DriverKind, fake_console: str | None, fake_domains: int | None) -> Driver:
    if kind is DriverKind.FAKE:
        console = None if fake_console is None else _console_address(fake_console)
        return daemon.make_fake_driver(console=console, domains=FAKE_DOMAINS if fake_domains is None else fake_domains)
    if fake_console is not None or fake_domains is not None:
        raise ValueError("--fake-console and --fake-domains go with --driver fake only")
    return daemon.make_libvirt_driver(config)


def _console_address(text: str) -> Address:
    if not text.startswith("tcp:"):
        raise ValueError(f"--fake-console: {text!r} is no tcp:HOST:PORT")
    return Address.parse(text.removeprefix("tcp:"))


def _fail(message: str) -> NoReturn:
    typer.echo(f"eve-agent: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
