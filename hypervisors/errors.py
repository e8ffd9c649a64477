"""Errors of sites, hypervisors and their certificates.

::

    common.errors.EveError
    ├── BehindTheScenes                where and why is for staff; all others are told what it means for them
    │   ├── AgentError                 talking to an agent failed
    │   │   ├── HostAway               it cannot be reached
    │   │   ├── AgentTimeout           it does not answer in time
    │   │   ├── NotTrusted             something answers, but not the agent that Eve knows
    │   │   ├── BadAnswer              the answer is no valid message of the contract, or beyond its bounds
    │   │   ├── ContractMismatch       its contract is more than one version away
    │   │   ├── LibvirtAway            it answers, but its libvirt does not
    │   │   │   └── LibvirtTimeout     … not in time: what was asked may still happen
    │   │   └── AgentRefused           it refused, with a code of the contract
    │   └── AuthorityError             Eve's CA cannot be used
    ├── CertificateRefused             what is to be signed, verified or revoked cannot be
    ├── EnrolmentRefused               an enrolment was refused
    │   └── ClockSkew                  the clocks of host and Eve differ too much
    └── HypervisorInUse                it cannot be deleted
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.functional import Promise
from eve_agent.wire.errors import ErrorCode

from common.errors import Conflict, EveError, Invalid, NotAllowed, Unavailable
from common.sentences import gettext_lazy as _

from .refusals import refusal_words


class BehindTheScenes(EveError):
    """Something that Eve runs on failed. Addresses, files and how to mend them are for staff and logs: `for_staff`, which is
    what it is as a text. Customers are told `meaning`, or a `detail` that is fit for everybody.
    """

    meaning: ClassVar[str | Promise]
    """What happened, what it means for whoever asked for something, and what they can do."""

    def __init__(self, for_staff: str | Promise = "", *, detail: str | Promise = "", **members: Any) -> None:
        super().__init__(detail or self.meaning, for_staff=str(for_staff), **members)

    def __str__(self) -> str:
        return self.for_staff or str(self.detail)


class AgentError(BehindTheScenes):
    """Talking to an agent failed."""

    status = 502
    code = "agent_failed"
    title = _("The host's agent failed")
    meaning = _("Something on the host failed, so what was asked for was not finished. Tell the staff.")


class HostAway(AgentError, Unavailable):
    """The agent cannot be reached."""

    status = 503
    code = "host_away"
    title = _("The host does not answer")
    meaning = _(
        "The host cannot be reached just now, so what was asked for was not finished. Its virtual machines may well run on. "
        "Eve keeps trying to reach it: try again in a few minutes, and tell the staff if it stays away."
    )
    retryable = True


class AgentTimeout(AgentError):
    """The agent does not answer in time."""

    status = 504
    code = "agent_timeout"
    title = _("The host takes too long to answer")
    meaning = _(
        "The host does not answer in time. What was asked for may still happen: look in a minute, then try again if it did "
        "not. Tell the staff if it stays so."
    )
    retryable = True


class NotTrusted(AgentError):
    """Something answers, but not the agent that Eve knows (chain, name, usage, dates, pin, deny-list)."""

    status = 503
    code = "host_not_trusted"
    title = _("The host is not trusted")
    meaning = _(
        "Eve has no connection to the host that she trusts just now, so what was asked for was not finished. Its virtual "
        "machines may well run on. Only the staff can mend that: tell them."
    )


class BadAnswer(AgentError):
    """The answer is no valid message of the contract, or beyond its bounds in bytes."""

    code = "agent_bad_answer"
    title = _("The host's agent answered nonsense")
    meaning = _(
        "Eve does not understand what the host answered. What was asked for may or may not have been done: look, then try "
        "again if it was not. Tell the staff if it happens again."
    )


class ContractMismatch(AgentError):
    """The agent's contract is more than one version older or newer."""

    status = 503
    code = "contract_unsupported"
    title = _("The host's agent has another version")
    meaning = _(
        "Eve and the host's agent are too far apart in version, so what was asked for was not finished. Its virtual machines "
        "run on. Tell the staff, who have to update the older of the two."
    )


class LibvirtAway(AgentError, Unavailable):
    """The agent answers, but its libvirt does not."""

    status = 503
    code = "libvirt_away"
    title = _("libvirt on the host does not answer")
    meaning = _(
        "libvirt on the host, which runs its virtual machines, does not answer just now, so what was asked for was not finished. "
        "They may well run on. Try again in a few minutes, and tell the staff if it stays so."
    )
    retryable = True


class LibvirtTimeout(LibvirtAway):
    """libvirt did not answer in time; what was asked of it may still happen."""

    status = 504
    code = "libvirt_timeout"
    meaning = _(
        "libvirt on the host takes too long. What was asked for may still happen: look in a minute, then try again if it did "
        "not. Tell the staff if it stays so."
    )


class AgentRefused(AgentError):
    """The agent refused; `agent_code` says why, `detail` says it in Eve's words, `for_staff` has the agent's own."""

    status = 409
    code = "agent_refused"
    title = _("The host refused")

    def __init__(self, said: str = "", *, agent_code: ErrorCode = ErrorCode.UNKNOWN) -> None:
        super().__init__(said, detail=refusal_words(agent_code), agent_code=agent_code.value)
        self.agent_code = agent_code

    def __str__(self) -> str:
        return f"{self.detail} ({self.for_staff})" if self.for_staff else str(self.detail)


class AuthorityError(BehindTheScenes):
    """Eve's CA cannot be used; `for_staff` says what is wrong with which file."""

    code = "ca_unusable"
    title = _("Eve's certificate authority cannot be used")
    meaning = _(
        "Eve cannot prove to hosts who she is, so nothing reaches them. Virtual machines run on. Tell the staff."
    )


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
