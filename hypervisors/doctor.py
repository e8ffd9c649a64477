""" "Test connection": the way from Eve to a host, step by step, and in words where it ends."""

from __future__ import annotations

import contextlib
import enum
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.utils.functional import Promise

from common.errors import EveError
from common.sentences import gettext as _
from common.sentences import gettext_lazy

from .address import parse_address
from .client import AgentClient, clean_words
from .errors import HostAway, NotTrusted
from .failures import as_agent_error
from .models import Hypervisor, HypervisorState
from .tls import AgentTls, agent_tls

MAX_SHOWN_ADDRESSES = 4


class Outcome(enum.StrEnum):
    """How a step went."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """An earlier one failed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way."""

    code: str
    """``name``, ``tcp``, ``tls``, ``pin``, ``agent`` or ``libvirt``."""
    title: str | Promise
    outcome: Outcome
    milliseconds: int
    detail: str
    """What was found; where it failed: what, why, what to do."""


_TITLES: dict[str, str | Promise] = {
    "name": gettext_lazy("Its name resolves"),
    "tcp": gettext_lazy("The agent's port is open"),
    "tls": gettext_lazy("TLS 1.3, both sides by Eve's CA"),
    "pin": gettext_lazy("The pin matches"),
    "agent": gettext_lazy("Agent version"),
    "libvirt": gettext_lazy("libvirt and QEMU"),
}


def connection_test(hypervisor: Hypervisor) -> list[Step]:
    """All six steps; after one that fails, the others are skipped. Takes up to half a minute: not for event loops."""
    walk = _Walk(hypervisor)
    steps: list[Step] = []
    has_failed = False
    with walk:
        for code, action in walk.steps.items():
            if has_failed:
                steps.append(Step(code, _TITLES[code], Outcome.SKIPPED, 0, ""))
                continue
            begun = time.monotonic()
            try:
                outcome, detail = Outcome.OK, action()
            except EveError as error:
                outcome, detail, has_failed = Outcome.FAILED, str(error), True
            steps.append(Step(code, _TITLES[code], outcome, round((time.monotonic() - begun) * 1000), detail))
    return steps


class _Walk(contextlib.ExitStack):
    """What one step leaves to the next."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        super().__init__()
        self.hypervisor = hypervisor
        self.host, self.port = "", 0
        self.sock: socket.socket | None = None
        self.secured: ssl.SSLSocket | None = None
        self.trust: AgentTls | None = None

    @property
    def steps(self) -> dict[str, Callable[[], str]]:
        return {
            "name": self.resolve,
            "tcp": self.dial,
            "tls": self.secure,
            "pin": self.check_pin,
            "agent": self.ask_agent,
            "libvirt": self.ask_libvirt,
        }

    def resolve(self) -> str:
        try:
            self.host, self.port = parse_address(self.hypervisor.address)
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except ValueError as error:
            raise HostAway(_("The address cannot be used: %(why)s.") % {"why": error}) from None
        except OSError:
            raise HostAway(
                _("The name %(name)s does not resolve: add it to DNS, or give an IP address.") % {"name": self.host}
            ) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))[:MAX_SHOWN_ADDRESSES]
        return _("%(name)s is %(addresses)s.") % {"name": self.host, "addresses": ", ".join(addresses)}

    def dial(self) -> str:
        where = {"address": self.hypervisor.address, "port": self.port}
        try:
            sock = socket.create_connection((self.host, self.port), timeout=settings.AGENT_CONNECT_TIMEOUT_SECONDS)
        except TimeoutError:
            raise HostAway(
                _("Nothing answers at %(address)s. Is a firewall in between that drops port %(port)d?") % where
            ) from None
        except OSError as error:
            raise HostAway(
                _("%(address)s refuses: %(why)s. Is the agent running there (systemctl status eve-agent)?")
                % {**where, "why": error.strerror or error}
            ) from None
        self.sock = self.enter_context(sock)
        return _("%(host)s takes connections on port %(port)d.") % {"host": sock.getpeername()[0], "port": self.port}

    def secure(self) -> str:
        assert self.sock is not None
        if self.hypervisor.state == HypervisorState.REVOKED:
            raise NotTrusted(_("The host was shut out. Make a new enrolment line and run it there, as root."))
        if not self.hypervisor.certificate_fingerprint:
            raise NotTrusted(_("The host is not enrolled yet. Make an enrolment line and run it there, as root."))
        self.trust = agent_tls(self.hypervisor)
        try:
            secured = self.trust.context.wrap_socket(self.sock, server_hostname=self.trust.server_name)
        except OSError as error:
            raise as_agent_error(error, self.trust) from error
        self.secured = self.enter_context(secured)
        return _("The host showed a certificate by Eve's CA, in its own name.")

    def check_pin(self) -> str:
        assert self.trust is not None
        pin = self.trust.check(self.secured)
        return _("SHA-256 %(pin)s…, the certificate that Eve signed for it.") % {"pin": pin[:16]}

    def ask_agent(self) -> str:
        with AgentClient(self.hypervisor) as client:
            status = client.certificate_status()
            version = client.contract_version
        return _("It speaks version %(version)d of the contract; its certificate ends on %(end)s.") % {
            "version": version,
            "end": f"{status.not_after:%Y-%m-%d}",
        }

    def ask_libvirt(self) -> str:
        with AgentClient(self.hypervisor) as client:
            facts = client.host_facts()
        return _("libvirt %(libvirt)s, QEMU %(qemu)s, agent %(agent)s on %(host)s.") % {
            "libvirt": clean_words(facts.libvirt_version),
            "qemu": clean_words(facts.hypervisor_version),
            "agent": clean_words(facts.agent_version),
            "host": clean_words(facts.host_name),
        }
