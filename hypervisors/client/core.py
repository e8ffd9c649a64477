"""One agent, its requests and their answers, and what its refusals mean."""

from __future__ import annotations

import re
import uuid
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from eve_agent.wire import codec
from eve_agent.wire.domain import Domain
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.version import CONTRACT_VERSION, VERSION_HEADER, is_supported

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors.errors import AgentRefused, BadAnswer, ContractMismatch, LibvirtAway, LibvirtTimeout, NotTrusted
from hypervisors.models import Hypervisor
from hypervisors.tls import AgentTls, agent_tls
from hypervisors.transport import MAX_BODY_BYTES, MAX_LIST_BYTES, AgentSession, Answer, Body, session_for

log = structlog.get_logger(__name__)

MAX_WORDS = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Control and direction characters, and halves of surrogate pairs, which no database takes."""

T = TypeVar("T")


class Requests:
    """The part of :class:`~hypervisors.client.AgentClient` that all its methods are made of."""

    def __init__(self, hypervisor: Hypervisor, *, seconds: float | None = None) -> None:
        """Each request takes at most `seconds`; settings.AGENT_REQUEST_TIMEOUT_SECONDS by default."""
        self._seconds = seconds
        self._id = hypervisor.pk
        self._name = hypervisor.name
        self._site_id: uuid.UUID
        self._session: AgentSession | None = None
        self.contract_version = 0
        """What the agent said last."""
        self.peer_fingerprint = ""
        """Of the certificate by which the last answer's connection was verified."""

    def __enter__(self) -> Self:
        """Reads the row, its pins and the deny-list; connects with the first request. Raises NotTrusted."""
        row = Hypervisor.objects.filter(pk=self._id).first()
        if row is None:
            raise NotTrusted(_("%(name)s is no hypervisor of Eve's any more.") % {"name": self._name})
        self._site_id = row.site_id
        try:
            self._session = session_for(self._id, agent_tls(row))
        except EveError as error:
            error.happened_at(row.site_id)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session = None
        if isinstance(error, EveError):
            error.happened_at(self._site_id)

    @property
    def trust(self) -> AgentTls:
        """What the connections of this block are verified by."""
        return self._opened.trust

    @property
    def _opened(self) -> AgentSession:
        if self._session is None:
            raise RuntimeError("an AgentClient is used within its with block")
        return self._session

    def _ask(
        self, method: str, path: str, *, body: Any = None, limit: int = MAX_BODY_BYTES, seconds: float | None = None
    ) -> Answer:
        """One request with `body`, a message of the contract. It takes at most `seconds`, or what the client was made with."""
        data = codec.encode(body) if body is not None else None
        kind = "application/json" if body is not None else ""
        return self._send(method, path, data, kind=kind, limit=limit, seconds=self._seconds or seconds)

    def _send(
        self,
        method: str,
        path: str,
        data: Body,
        *,
        kind: str,
        limit: int = MAX_BODY_BYTES,
        seconds: float | None = None,
    ) -> Answer:
        headers = {VERSION_HEADER: str(CONTRACT_VERSION), "Accept": "*/*"}
        if kind:
            headers["Content-Type"] = kind
        answer = self._opened.exchange(method, path, headers=headers, body=data, limit=limit, seconds=seconds)
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
        said = {"name": self._name, "said": words}
        log.info("agent_refused", hypervisor=self._name, code=problem.code.value, said=words)
        if problem.code is ErrorCode.LIBVIRT_AWAY:
            return LibvirtAway(
                _(
                    "libvirt on %(name)s does not answer. Look at it there: systemctl status libvirtd. The agent says: %(said)s"
                )
                % said
            )
        if problem.code is ErrorCode.LIBVIRT_TIMEOUT:
            return LibvirtTimeout(
                _("libvirt on %(name)s takes too long. What was asked for may still happen. The agent says: %(said)s")
                % said
            )
        if problem.code is ErrorCode.CONTRACT_UNSUPPORTED:
            return contract_mismatch(self._name, self.contract_version)
        return AgentRefused(words, agent_code=problem.code)

    def _domain(self, domain_uuid: uuid.UUID, answer: Answer) -> Domain:
        domain = self._decoded(Domain, answer)
        if domain.uuid != domain_uuid:
            raise BadAnswer(_("%(name)s answered about another virtual machine.") % {"name": self._name})
        return domain

    def _list(self, cls: type[T], path: str) -> tuple[T, ...]:
        answer = self._ask("GET", path, limit=MAX_LIST_BYTES)
        try:
            return codec.decode_list(cls, answer.body)
        except codec.DecodeError as error:
            raise self._nonsense(error) from error

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
