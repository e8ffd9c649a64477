"""What Eve asks of an agent: the wire contract as methods. Synchronous: call it from a thread."""

from __future__ import annotations

import re
import uuid
from types import TracebackType
from typing import Any, TypeVar

from django.utils.translation import gettext as _
from eve_agent.wire import codec, paths
from eve_agent.wire.certs import CertificateInstall, CertificateSigningRequest, CertificateStatus, Pins
from eve_agent.wire.console import ConsoleMode, ConsoleModeChange, ConsoleStatus
from eve_agent.wire.domain import Domain, StateAction, StateChange
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.host import HostFacts
from eve_agent.wire.version import CONTRACT_VERSION, VERSION_HEADER, is_supported

from .errors import AgentRefused, BadAnswer, ContractMismatch, LibvirtAway, LibvirtTimeout, NotTrusted
from .models import Hypervisor
from .tls import AgentTls, agent_tls
from .transport import MAX_BODY_BYTES, MAX_LIST_BYTES, MAX_SCREENSHOT_BYTES, AgentSession, Answer, session_for

MAX_WORDS = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Control and direction characters, and halves of surrogate pairs, which no database takes."""

T = TypeVar("T")


class AgentClient:
    """One agent, within a ``with`` block, by the hypervisor's row as it is now.

    Every method raises :class:`~hypervisors.errors.AgentError`: HostAway, AgentTimeout, NotTrusted, ContractMismatch,
    BadAnswer, LibvirtAway, or AgentRefused with the agent's own code.
    """

    def __init__(self, hypervisor: Hypervisor, *, seconds: float | None = None) -> None:
        """Each request takes at most `seconds`; settings.AGENT_REQUEST_TIMEOUT_SECONDS by default."""
        self._seconds = seconds
        self._id = hypervisor.pk
        self._name = hypervisor.name
        self._session: AgentSession | None = None
        self.contract_version = 0
        """What the agent said last."""
        self.peer_fingerprint = ""
        """Of the certificate by which the last answer's connection was verified."""

    def __enter__(self) -> AgentClient:
        """Reads the row, its pins and the deny-list; connects with the first request. Raises NotTrusted."""
        row = Hypervisor.objects.filter(pk=self._id).first()
        if row is None:
            raise NotTrusted(_("%(name)s is no hypervisor of Eve's any more.") % {"name": self._name})
        self._session = session_for(self._id, agent_tls(row))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session = None

    @property
    def trust(self) -> AgentTls:
        """What the connections of this block are verified by."""
        return self._opened.trust

    def host_facts(self) -> HostFacts:
        """``GET /libvirt``"""
        return self._decoded(HostFacts, self._ask("GET", paths.HOST))

    def domains(self) -> tuple[Domain, ...]:
        """``GET /libvirt/domains``"""
        answer = self._ask("GET", paths.DOMAINS, limit=MAX_LIST_BYTES)
        try:
            return codec.decode_list(Domain, answer.body)
        except codec.DecodeError as error:
            raise self._nonsense(error) from error

    def domain(self, domain_uuid: uuid.UUID) -> Domain:
        """``GET /libvirt/domains/{uuid}``"""
        return self._domain(domain_uuid, self._ask("GET", paths.domain_path(paths.DOMAIN, domain_uuid)))

    def change_state(self, domain_uuid: uuid.UUID, action: StateAction, operation_id: str = "") -> Domain:
        """``PATCH …/state``: the domain after it. May be repeated without harm."""
        path = paths.domain_path(paths.DOMAIN_STATE, domain_uuid)
        change = StateChange(action=StateAction(action), operation_id=operation_id)
        return self._domain(domain_uuid, self._ask("PATCH", path, body=change))

    def screenshot(self, domain_uuid: uuid.UUID) -> tuple[str, bytes]:
        """``GET …/screenshot``: content type and bytes, both the host's word: see :mod:`hypervisors.screenshots`."""
        path = paths.domain_path(paths.DOMAIN_SCREENSHOT, domain_uuid)
        answer = self._ask("GET", path, limit=MAX_SCREENSHOT_BYTES)
        return answer.headers.get("Content-Type", ""), answer.body

    def console_status(self, domain_uuid: uuid.UUID, session: uuid.UUID) -> ConsoleStatus:
        """``GET …/console/{session}``"""
        return self._decoded(ConsoleStatus, self._ask("GET", _session_path(domain_uuid, session)))

    def console_set_mode(self, domain_uuid: uuid.UUID, session: uuid.UUID, mode: ConsoleMode) -> ConsoleStatus:
        """``PATCH …/console/{session}``"""
        body = ConsoleModeChange(mode=ConsoleMode(mode))
        return self._decoded(ConsoleStatus, self._ask("PATCH", _session_path(domain_uuid, session), body=body))

    def console_end(self, domain_uuid: uuid.UUID, session: uuid.UUID) -> ConsoleStatus:
        """``DELETE …/console/{session}``: its viewer is told ENDED_BY_STAFF; the contract has no room for another code."""
        return self._decoded(ConsoleStatus, self._ask("DELETE", _session_path(domain_uuid, session)))

    def certificate_status(self) -> CertificateStatus:
        """``GET /certificate``"""
        return self._decoded(CertificateStatus, self._ask("GET", paths.CERTIFICATE))

    def certificate_request(self) -> CertificateSigningRequest:
        """``POST /certificate``: the agent makes a new key."""
        return self._decoded(CertificateSigningRequest, self._ask("POST", paths.CERTIFICATE))

    def certificate_install(self, certificate_pem: str) -> CertificateStatus:
        """``PUT /certificate``"""
        body = CertificateInstall(certificate_pem=certificate_pem)
        return self._decoded(CertificateStatus, self._ask("PUT", paths.CERTIFICATE, body=body))

    def certificate_announce(self, eve_fingerprints: tuple[str, ...]) -> Pins:
        """``PUT /certificate/pins``: the client certificates that the agent is to accept from now on."""
        body = Pins(eve_fingerprints=eve_fingerprints)
        return self._decoded(Pins, self._ask("PUT", paths.CERTIFICATE_PINS, body=body))

    @property
    def _opened(self) -> AgentSession:
        if self._session is None:
            raise RuntimeError("an AgentClient is used within its with block")
        return self._session

    def _ask(self, method: str, path: str, *, body: Any = None, limit: int = MAX_BODY_BYTES) -> Answer:
        headers = {VERSION_HEADER: str(CONTRACT_VERSION), "Accept": "*/*"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = self._opened.exchange(
            method,
            path,
            headers=headers,
            body=codec.encode(body) if body is not None else None,
            limit=limit,
            seconds=self._seconds,
        )
        self.peer_fingerprint = answer.peer_fingerprint
        self._check_version(answer)
        if answer.status >= 400:
            raise self._refusal(answer)
        if answer.status != 200:
            raise BadAnswer(
                _("%(name)s answered %(status)d where Eve takes 200 only; it follows no redirects.")
                % {"name": self._name, "status": answer.status}
            )
        return answer

    def _check_version(self, answer: Answer) -> None:
        text = answer.headers.get(VERSION_HEADER, "")
        if not (text.isascii() and text.isdigit() and len(text) < 6):
            raise BadAnswer(_("What answers for %(name)s is no agent of Eve's.") % {"name": self._name})
        self.contract_version = int(text)
        if not is_supported(self.contract_version):
            raise contract_mismatch(self._name, self.contract_version)

    def _refusal(self, answer: Answer) -> Exception:
        problem = self._decoded(Problem, answer)
        words = clean_words(problem.message)
        if problem.code is ErrorCode.LIBVIRT_AWAY:
            return LibvirtAway(
                _("libvirt on %(name)s does not answer (%(words)s). Look at it there: systemctl status libvirtd.")
                % {"name": self._name, "words": words}
            )
        if problem.code is ErrorCode.LIBVIRT_TIMEOUT:
            return LibvirtTimeout(
                _("libvirt on %(name)s takes too long (%(words)s).") % {"name": self._name, "words": words}
            )
        if problem.code is ErrorCode.CONTRACT_UNSUPPORTED:
            return contract_mismatch(self._name, self.contract_version)
        return AgentRefused(words, agent_code=problem.code)

    def _domain(self, domain_uuid: uuid.UUID, answer: Answer) -> Domain:
        domain = self._decoded(Domain, answer)
        if domain.uuid != domain_uuid:
            raise BadAnswer(_("%(name)s answered about another virtual machine.") % {"name": self._name})
        return domain

    def _decoded(self, cls: type[T], answer: Answer) -> T:
        try:
            return codec.decode(cls, answer.body)
        except codec.DecodeError as error:
            raise self._nonsense(error) from error

    def _nonsense(self, error: codec.DecodeError) -> BadAnswer:
        return BadAnswer(
            _("The answer of %(name)s is not understood (%(why)s).")
            % {"name": self._name, "why": clean_words(str(error))}
        )


def contract_mismatch(name: str, version: int) -> ContractMismatch:
    """The error for an agent of that version."""
    return ContractMismatch(
        _("The agent on %(name)s speaks version %(agent)d of the contract, Eve %(eve)d. Update the older of the two.")
        % {"name": name, "agent": version, "eve": CONTRACT_VERSION}
    )


def clean_words(text: str) -> str:
    """What a host said, fit to be shown: one line, bounded, without control or direction characters."""
    return _CONTROL.sub(" ", text)[:MAX_WORDS].strip()


def _session_path(domain_uuid: uuid.UUID, session: uuid.UUID) -> str:
    return paths.domain_path(paths.DOMAIN_CONSOLE_SESSION, domain_uuid, session=session)
