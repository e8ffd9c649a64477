"""What the libraries' exceptions mean, in words for an operator: the one place where they become Eve's own."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

from django.utils.functional import Promise

from common.errors import EveError
from common.sentences import gettext_lazy as _

from .address import format_address
from .errors import AgentError, AgentTimeout, BadAnswer, HostAway, NotTrusted
from .tls import AgentTls

_UNTRUSTED: dict[int, str | Promise] = {  # OpenSSL's X509_V_ERR_…
    9: _("its certificate is not valid yet; compare the clocks"),
    10: _("its certificate has ended; make a new enrolment line and run it there"),
    18: _("its certificate is self-signed; that is not the agent that enrolled here"),
    19: _("its certificate is not by Eve's CA; perhaps the host was enrolled with another Eve"),
    20: _("its certificate is not by Eve's CA; perhaps the host was enrolled with another Eve"),
    26: _("its certificate is not one for agents"),
    62: _("its certificate is another host's; perhaps the address is wrong"),
}
_REFUSALS = ("ALERT_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_ACCESS_DENIED", "ALERT_DECRYPT")
_NOT_TLS = ("WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "ALERT_PROTOCOL_VERSION", "HTTP_REQUEST", "PACKET_LENGTH")


class BudgetSpentError(OSError):
    """The peer sent more than an exchange allows."""


_CLOSED = _(
    "%(name)s closed the connection. If it does so each time, its agent does not know this Eve: "
    "make a new enrolment line and run it there."
)
_MEANINGS: tuple[tuple[tuple[type[BaseException], ...], type[AgentError], str | Promise], ...] = (
    ((BudgetSpentError,), BadAnswer, _("%(name)s sends more than Eve takes in one answer.")),
    (
        (socket.gaierror,),
        HostAway,
        _("The name of %(name)s does not resolve (%(address)s): add it to DNS, or give an IP address."),
    ),
    ((TimeoutError,), AgentTimeout, _("%(name)s does not answer in time at %(address)s.")),
    (
        (ConnectionRefusedError,),
        HostAway,
        _("Nothing listens at %(address)s. Is the agent running on %(name)s (systemctl status eve-agent)?"),
    ),
    (
        (ConnectionResetError, BrokenPipeError, EOFError),
        HostAway,
        _CLOSED,
    ),
)
_NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH)


def as_agent_error(error: BaseException, trust: AgentTls) -> EveError:
    """What `error`, which came up on a link to that agent, is in Eve's terms; the words here are for staff."""
    where = {"name": trust.name, "address": format_address(trust.host, trust.port)}
    for cause in _causes(error):
        if isinstance(cause, EveError):
            return cause
        if isinstance(cause, ssl.SSLError):
            return _of_tls(cause, where)
        for kinds, kind, words in _MEANINGS:
            if isinstance(cause, kinds):
                return kind(words % where)
        if isinstance(cause, OSError) and cause.errno in _NO_WAY:
            return HostAway(_("There is no way to %(address)s. Is the address of %(name)s right?") % where)
    return HostAway(_("The connection to %(name)s failed.") % where)


def _of_tls(error: ssl.SSLError, where: dict[str, str]) -> EveError:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _UNTRUSTED.get(error.verify_code, error.verify_message)
        return NotTrusted(_("What answers at %(address)s is not %(name)s: %(why)s.") % {**where, "why": why})
    reason = error.reason or ""
    if any(text in reason for text in _REFUSALS):
        return NotTrusted(
            _(
                "The agent on %(name)s does not accept Eve's certificate: it was enrolled with another Eve, or was away "
                "while Eve changed it. Make a new enrolment line and run it there."
            )
            % where
        )
    if any(text in reason for text in _NOT_TLS):
        return NotTrusted(_("What answers at %(address)s does not speak TLS 1.3, as an agent does.") % where)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return HostAway(_CLOSED % where)
    return NotTrusted(
        _("The connection to %(name)s at %(address)s could not be secured: %(why)s.")
        % {**where, "why": reason.replace("_", " ").lower() or error}
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and all that it was made of, outermost first: chained, wrapped, or handed on as an argument."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        parts = [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
        waiting += [part for part in parts if isinstance(part, BaseException)]
