"""The host itself, its domains as they are, consoles, certificates, counters and jobs."""

from __future__ import annotations

import uuid

from eve_agent.wire import paths
from eve_agent.wire.certs import CertificateInstall, CertificateSigningRequest, CertificateStatus, Pins
from eve_agent.wire.console import ConsoleMode, ConsoleModeChange, ConsoleStatus
from eve_agent.wire.domain import Domain, StateAction, StateChange
from eve_agent.wire.host import HostFacts
from eve_agent.wire.jobs import Job
from eve_agent.wire.stats import Stats
from eve_agent.wire.typing import TextToType, TypingStatus

from common.sentences import gettext as _
from hypervisors.errors import LibvirtTimeout
from hypervisors.transport import MAX_LIST_BYTES, MAX_SCREENSHOT_BYTES

from .core import Requests


class HostRequests(Requests):
    """See :class:`~hypervisors.client.AgentClient`."""

    def host_facts(self) -> HostFacts:
        """``GET /libvirt``"""
        return self._decoded(HostFacts, self._ask("GET", paths.HOST))

    def domains(self) -> tuple[Domain, ...]:
        """``GET /libvirt/domains``"""
        return self._list(Domain, paths.DOMAINS)

    def domain(self, domain_uuid: uuid.UUID) -> Domain:
        """``GET /libvirt/domains/{uuid}``, whole: raises LibvirtTimeout where its QEMU does not answer. Who asks compares and decides."""
        domain = self._domain(domain_uuid, self._ask("GET", paths.domain_path(paths.DOMAIN, domain_uuid)))
        if domain.is_outline:
            raise LibvirtTimeout(
                detail=_(
                    "The QEMU of this virtual machine does not answer on %(name)s. Stop it, or try again in a minute."
                )
                % {"name": self._name}
            )
        return domain

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

    def typing_begin(self, domain_uuid: uuid.UUID, wanted: TextToType) -> TypingStatus:
        """``PUT …/typing``. Refused with TYPING_BUSY, DOMAIN_OFF, ACTION_REFUSED."""
        return self._decoded(TypingStatus, self._ask("PUT", _typing_path(domain_uuid), body=wanted))

    def typing_status(self, domain_uuid: uuid.UUID) -> TypingStatus:
        """``GET …/typing``"""
        return self._decoded(TypingStatus, self._ask("GET", _typing_path(domain_uuid)))

    def typing_cancel(self, domain_uuid: uuid.UUID) -> TypingStatus:
        """``DELETE …/typing``: what was typed so far stays typed."""
        return self._decoded(TypingStatus, self._ask("DELETE", _typing_path(domain_uuid)))

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

    def stats(self) -> Stats:
        """``GET /libvirt/stats``: counters of the host and of every domain that runs."""
        return self._decoded(Stats, self._ask("GET", paths.STATS, limit=MAX_LIST_BYTES))

    def job(self, operation_id: uuid.UUID) -> Job:
        """``GET /jobs/{operation}``: what a job of that operation is at; ``unknown`` where the agent knows none."""
        return self._job(operation_id, "GET")

    def job_cancel(self, operation_id: uuid.UUID) -> Job:
        """``DELETE /jobs/{operation}``: asks it to end, which it does soon after."""
        return self._job(operation_id, "DELETE")

    def _job(self, operation_id: uuid.UUID, method: str) -> Job:
        return self._decoded(Job, self._ask(method, paths.fill(paths.JOB, operation=operation_id)))


def _session_path(domain_uuid: uuid.UUID, session: uuid.UUID) -> str:
    return paths.domain_path(paths.DOMAIN_CONSOLE_SESSION, domain_uuid, session=session)


def _typing_path(domain_uuid: uuid.UUID) -> str:
    return paths.domain_path(paths.DOMAIN_TYPING, domain_uuid)
