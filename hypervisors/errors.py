"""Errors of sites, hypervisors and their certificates.

::

    common.errors.EveError
    ├── AgentError                     talking to an agent failed
    │   ├── HostAway                   it cannot be reached
    │   ├── AgentTimeout               it does not answer in time
    │   ├── NotTrusted                 something answers, but not the agent that Eve knows
    │   ├── BadAnswer                  the answer is no valid message of the contract, or beyond its bounds
    │   ├── ContractMismatch           its contract is more than one version away
    │   ├── LibvirtAway                it answers, but its libvirt does not
    │   │   └── LibvirtTimeout         … not in time: what was asked may still happen
    │   └── AgentRefused               it refused, with a code of the contract
    ├── AuthorityError                 Eve's CA cannot be used
    ├── CertificateRefused             what is to be signed, verified or revoked cannot be
    ├── EnrolmentRefused               an enrolment was refused
    │   └── ClockSkew                  the clocks of host and Eve differ too much
    └── HypervisorInUse                it cannot be deleted
"""

from __future__ import annotations

from eve_agent.wire.errors import ErrorCode

from common.errors import Conflict, EveError, Invalid, NotAllowed, Unavailable
from common.sentences import gettext_lazy as _

from .refusals import refusal_words


class AgentError(EveError):
    """Talking to an agent failed."""

    status = 502
    code = "agent_failed"
    title = _("The host's agent failed")


class HostAway(AgentError, Unavailable):
    """The agent cannot be reached."""

    status = 503
    code = "host_away"
    title = _("The host does not answer")
    retryable = True


class AgentTimeout(AgentError):
    """The agent does not answer in time."""

    status = 504
    code = "agent_timeout"
    title = _("The host takes too long to answer")
    retryable = True


class NotTrusted(AgentError):
    """Something answers, but not the agent that Eve knows (chain, name, usage, dates, pin, deny-list)."""

    status = 503
    code = "host_not_trusted"
    title = _("The host is not trusted")


class BadAnswer(AgentError):
    """The answer is no valid message of the contract, or beyond its bounds in bytes."""

    code = "agent_bad_answer"
    title = _("The host's agent answered nonsense")


class ContractMismatch(AgentError):
    """The agent's contract is more than one version older or newer."""

    status = 503
    code = "contract_unsupported"
    title = _("The host's agent has another version")


class LibvirtAway(AgentError, Unavailable):
    """The agent answers, but its libvirt does not."""

    status = 503
    code = "libvirt_away"
    title = _("libvirt on the host does not answer")
    retryable = True


class LibvirtTimeout(LibvirtAway):
    """libvirt did not answer in time; what was asked of it may still happen."""

    status = 504
    code = "libvirt_timeout"


class AgentRefused(AgentError):
    """The agent refused; `agent_code` says why, `detail` says it in Eve's words, `for_staff` has the agent's own."""

    status = 409
    code = "agent_refused"
    title = _("The host refused")

    def __init__(self, said: str = "", *, agent_code: ErrorCode = ErrorCode.UNKNOWN) -> None:
        super().__init__(refusal_words(agent_code), for_staff=said, agent_code=agent_code.value)
        self.agent_code = agent_code


class AuthorityError(EveError):
    """Eve's CA cannot be used; the detail says what is wrong with which file."""

    code = "ca_unusable"
    title = _("Eve's certificate authority cannot be used")


class CertificateRefused(Invalid):
    """What is to be signed, verified or revoked cannot be."""

    code = "certificate_refused"
    title = _("The certificate or request is refused")


class EnrolmentRefused(NotAllowed):
    """An enrolment was refused; the detail says why and what to do on the host."""

    code = "enrolment_refused"
    title = _("The enrolment is refused")


class ClockSkew(EnrolmentRefused):
    """The host's clock and Eve's differ too much for certificates to make sense."""

    code = "clock_skew"
    title = _("The clocks differ too much")


class HypervisorInUse(Conflict):
    """The hypervisor has virtual machines."""

    code = "hypervisor_in_use"
    title = _("The hypervisor has virtual machines")
