"""Reads settings from the environment: each variable with its type, each mistake as a sentence.

A mistake stops nothing here: it is kept in :attr:`Environment.problems`, and the default takes its place, so that all mistakes are
found at once. :mod:`eve_site.checks` reports them, and Eve does not serve with one.

An empty variable counts as one that is not set. Every variable may be given as ``NAME_FILE``, a file that holds the value; that file wins.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise
from django.utils.text import format_lazy
from redis.connection import parse_url

from common.sentences import gettext_lazy as _

Value = TypeVar("Value")
Amount = TypeVar("Amount", int, float)

Text = str | Promise
"""Translated when it is shown: settings are read before translations can be loaded."""

YES = frozenset({"true", "yes", "on", "1"})
NO = frozenset({"false", "no", "off", "0"})
DATABASES = frozenset({"sqlite", "postgres", "postgresql"})
MAILERS = frozenset({"smtp", "smtps", "smtp+tls", "smtp+ssl", "consolemail", "memorymail", "dummymail"})


@dataclass(frozen=True, slots=True)
class Problem:
    """A variable that cannot be used as it is."""

    code: str
    """The number of the check that reports it."""
    variable: str
    what: Text
    """A sentence. Never holds the value of what may be a secret."""
    remedy: Text


class Unreadable(Exception):
    """A text that is not what a variable takes; how it goes wrong is for the reader's own words."""


class Environment:
    """The variables of one process, and what was found wrong with those that were read."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._read: set[str] = set()
        self.problems: list[Problem] = []

    def text(self, name: str, default: str = "") -> str:
        """Any text, without white space around it."""
        self._read.add(name)
        if path := self._variables.get(f"{name}_FILE", ""):
            return self._file(f"{name}_FILE", Path(path)) or default
        return self._variables.get(name, "").strip() or default

    def flag(self, name: str, *, default: bool) -> bool:
        """``true`` or ``false``, and what else people write for them."""
        return self._parsed(name, default, _flag, _("Write true or false."))

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        remedy = format_lazy(_("Write a whole number from {least} to {most}."), least=least, most=most)
        return self._bounded(name, self._parsed(name, default, int, remedy), default, remedy, least=least, most=most)

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """A number from `least` to `most`."""
        remedy = format_lazy(_("Write a number from {least} to {most}."), least=least, most=most)
        return self._bounded(
            name, self._parsed(name, default, _finite, remedy), default, remedy, least=least, most=most
        )

    def choice(self, name: str, default: str, options: Sequence[str]) -> str:
        """One of `options`, in any case of letters."""

        def parse(text: str) -> str:
            found = next((option for option in options if option.lower() == text.lower()), None)
            if found is None:
                raise Unreadable
            return found

        return self._parsed(
            name, default, parse, format_lazy(_("Write one of: {options}."), options=", ".join(options))
        )

    def texts(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """Comma-separated texts."""
        return [part.strip() for part in self.text(name).split(",") if part.strip()] or list(default)

    def folder(self, name: str, default: Path) -> Path:
        """A folder, which need not exist yet."""
        return self._parsed(name, default, _folder, _("Name a folder, or a path where one can be made.")).absolute()

    def address(self, name: str, default: str) -> str:
        """An IP address to listen on."""
        return self._parsed(
            name, default, _address, _("Write an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::.")
        )

    def time_zone(self, name: str, default: str) -> str:
        """The name of a time zone."""
        return self._parsed(
            name, default, _time_zone, _("Write a name of the time zone database, such as Europe/Berlin.")
        )

    def origin(self, name: str, default: str) -> str:
        """Scheme, host and port of a web address, without a slash at the end."""
        remedy = _("Write scheme, host and port only, such as https://eve.example.org.")
        return self._parsed(name, default, _origin, remedy, code="eve.E002")

    def origins(self, name: str) -> list[str]:
        """Comma-separated origins."""
        remedy = _("Write scheme, host and port of each, such as https://eve.example.org,https://eve.example.net:8443.")
        return self._each(name, _origin, remedy, code="eve.E004")

    def networks(self, name: str) -> list[str]:
        """Comma-separated addresses or networks."""
        remedy = _("Write addresses or networks, such as 127.0.0.1,2001:db8::/64.")
        return self._each(name, _network, remedy, code="eve.E003")

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Django's settings for the database at an address; after a mistake one that refuses all work, lest another one be written to."""
        remedy = _("Write postgres://user:password@host:5432/name or sqlite:////path/to/file.")
        if not self.text(name):
            return _database(default)
        refusing: dict[str, Any] = {"ENGINE": "django.db.backends.dummy"}
        return self._parsed(name, refusing, _database, remedy, is_secret=True)

    def redis(self, name: str) -> str:
        """The address of a Redis; empty for none."""
        remedy = _("Write redis://host:6379/0, rediss:// for TLS, or unix:///path/to/socket.")
        return self._parsed(name, "", _redis, remedy, is_secret=True)

    def mailer(self, name: str, default: str) -> dict[str, Any]:
        """Django's settings for the mail server at an address."""
        remedy = _("Write smtp+tls://user:password@host:587; smtp+ssl:// and smtp:// are the other ways.")
        return self._parsed(name, _mailer(default), _mailer, remedy, is_secret=True)

    def lookalikes(self) -> list[tuple[str, str]]:
        """Variables that nothing reads, each with the one that is probably meant."""
        known = self._read | {f"{name}_FILE" for name in self._read}
        strays = sorted(name for name in self._variables if name.startswith("EVE_") and name not in known)
        found = [(name, difflib.get_close_matches(name, known, n=1, cutoff=0.9)) for name in strays]
        return [(name, close[0]) for name, close in found if close]

    # ------------------------------------------------------------------------------------------ inside

    def _parsed(
        self,
        name: str,
        default: Value,
        parse: Callable[[str], Value],
        remedy: Text,
        *,
        code: str = "eve.E006",
        is_secret: bool = False,
    ) -> Value:
        text = self.text(name)
        if not text:
            return default
        try:
            return parse(text)
        except (Unreadable, ValueError):
            self._mind(code, name, text, remedy, is_secret=is_secret)
            return default

    def _each(self, name: str, parse: Callable[[str], str], remedy: Text, *, code: str) -> list[str]:
        found = []
        for text in self.texts(name):
            try:
                found.append(parse(text))
            except (Unreadable, ValueError):
                self._mind(code, name, text, remedy)
        return found

    def _bounded(
        self, name: str, value: Amount, default: Amount, remedy: Text, *, least: Amount, most: Amount
    ) -> Amount:
        if least <= value <= most:
            return value
        what = format_lazy(_("{variable} is {value}, which is out of its range."), variable=name, value=value)
        self.problems.append(Problem("eve.E005", name, what, remedy))
        return default

    def _mind(self, code: str, name: str, text: str, remedy: Text, *, is_secret: bool = False) -> None:
        if is_secret:
            what = format_lazy(_("{variable} is no address that Eve can use."), variable=name)
        else:
            what = format_lazy(
                _("{variable} holds “{value}”, which it does not take."), variable=name, value=text[:100]
            )
        self.problems.append(Problem(code, name, what, remedy))

    def _file(self, name: str, path: Path) -> str:
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else _("it is no text")
            what = format_lazy(
                _("{variable} names {path}, which cannot be read: {reason}."), variable=name, path=path, reason=reason
            )
        else:
            if text:
                return text
            what = format_lazy(_("{variable} names {path}, which is empty."), variable=name, path=path)
        remedy = _("Name a file that holds the value and that Eve's user may read.")
        self.problems.append(Problem("eve.E007", name, what, remedy))
        return ""


def _flag(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise Unreadable
    return text.lower() in YES


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unreadable
    return value


def _folder(text: str) -> Path:
    path = Path(text)
    nearest = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    if "\0" in text or not nearest.is_dir():
        raise Unreadable
    return path


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text.strip("[]")))


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)
    return text


def _time_zone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, OSError) as error:
        raise Unreadable from error
    return text


def _origin(text: str) -> str:
    parts = urlsplit(text.rstrip("/"))
    is_bare = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_bare or parts.port == 0:
        raise Unreadable
    return text.rstrip("/")


def _database(text: str) -> dict[str, Any]:
    parts = urlsplit(text)
    if parts.scheme not in DATABASES or (parts.port or 1) < 1:
        raise Unreadable
    try:
        config: dict[str, Any] = environ.Env.db_url_config(text)
    except (ImproperlyConfigured, KeyError, AttributeError) as error:
        raise Unreadable from error
    if not config.get("NAME"):
        raise Unreadable
    return config


def _redis(text: str) -> str:
    parts = urlsplit(text)
    is_socket = parts.scheme == "unix"
    if not (parts.path if is_socket else parts.hostname) or not (
        is_socket or parts.path.strip("/").isdigit() or parts.path in ("", "/")
    ):
        raise Unreadable
    parse_url(text)  # type: ignore[no-untyped-call] # redis-py's own
    return text


def _mailer(text: str) -> dict[str, Any]:
    parts = urlsplit(text)
    if parts.scheme not in MAILERS or (parts.scheme.startswith("smtp") and not parts.hostname):
        raise Unreadable
    config: dict[str, Any] = environ.Env.email_url_config(text)
    return config
