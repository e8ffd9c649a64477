"""Whom Eve talks to: an agent whose certificate is by Eve's CA, in the host's name, and pinned. Every link uses this.

The context trusts Eve's CA and nothing else: no system roots, no bundle that the environment names. The handshake
checks chain, dates, usage and name; :meth:`AgentTls.check` then checks the pin, less the deny-list, before a byte is sent.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from eve_agent.wire.certs import agent_dns_name

from common.sentences import gettext as _

from .address import parse_address
from .castore import Credential, ca_store
from .errors import AuthorityError, HostAway, NotTrusted
from .models import Hypervisor, HypervisorState
from .pki import fingerprint_of_der
from .selectors import denied_fingerprints

_contexts: dict[tuple[str, str, tuple[int, int, int]], ssl.SSLContext] = {}
MAX_CONTEXTS = 8


@dataclass(frozen=True, slots=True)
class AgentTls:
    """What a connection to one agent takes. Good for one connection, or for as long as the row says the same."""

    name: str
    host: str
    port: int
    server_name: str
    context: ssl.SSLContext
    pins: frozenset[str]
    """Fingerprints that the agent may show: its certificate's, and a renewed one's; none that is revoked."""
    speaker: str
    """Fingerprint of the client certificate that Eve comes with."""

    def is_pinned(self, peer: ssl.SSLObject | ssl.SSLSocket | None) -> bool:
        """Whether the peer showed one of the pinned certificates."""
        return _fingerprint(peer) in self.pins

    def check(self, peer: ssl.SSLObject | ssl.SSLSocket | None) -> str:
        """The fingerprint of the peer's certificate. Raises NotTrusted unless it is pinned."""
        found = _fingerprint(peer)
        if found not in self.pins:
            raise NotTrusted(
                _(
                    "Another certificate than the one that %(name)s enrolled with answers at its address "
                    "(fingerprint %(found)s). Was the host enrolled elsewhere, or copied? If it is the right one, "
                    "make a new enrolment line and run it there."
                )
                % {"name": self.name, "found": f"{found[:16]}…" if found else _("none")}
            )
        return found


def _fingerprint(peer: ssl.SSLObject | ssl.SSLSocket | None) -> str:
    der = peer.getpeercert(binary_form=True) if peer is not None else None
    return fingerprint_of_der(der) if der else ""


def agent_tls(hypervisor: Hypervisor) -> AgentTls:
    """What a connection to that hypervisor's agent takes, by its row as given. Reads the deny-list: not for event loops.

    Raises:
        NotTrusted: it is not enrolled, or revoked, or missed a change of Eve's own certificate.
        HostAway: its address is none.
        AuthorityError: Eve's CA cannot be used.
    """
    if hypervisor.state == HypervisorState.REVOKED:
        raise NotTrusted(_("The certificate of %(name)s was revoked.") % {"name": hypervisor.name})
    known = {pin for pin in (hypervisor.certificate_fingerprint, hypervisor.pending_fingerprint) if pin}
    if not hypervisor.certificate_fingerprint:
        raise NotTrusted(_("%(name)s is not enrolled yet.") % {"name": hypervisor.name})
    pins = frozenset(known - denied_fingerprints(*known))
    if not pins:
        raise NotTrusted(_("The certificate of %(name)s was revoked.") % {"name": hypervisor.name})
    try:
        host, port = parse_address(hypervisor.address)
    except ValueError as error:
        raise HostAway(
            _("The address of %(name)s cannot be used: %(why)s.") % {"name": hypervisor.name, "why": error}
        ) from None
    credential = credential_for(hypervisor)
    return AgentTls(
        name=hypervisor.name,
        host=host,
        port=port,
        server_name=server_name(hypervisor),
        context=_context(credential),
        pins=pins,
        speaker=credential.fingerprint,
    )


def server_name(hypervisor: Hypervisor) -> str:
    """The name that the agent's certificate must have; sent as SNI."""
    return agent_dns_name(hypervisor.pk)


def credential_for(hypervisor: Hypervisor) -> Credential:
    """Eve's certificate for that agent: the newest that it is known to accept.

    Raises:
        NotTrusted: it knows none that Eve still has.
        AuthorityError: Eve's certificate cannot be read.
    """
    store = ca_store()
    following, current = store.following(), store.current()
    if following is not None and following.fingerprint in hypervisor.eve_pins:
        return following
    if current.fingerprint in hypervisor.eve_pins:
        return current
    raise NotTrusted(
        _(
            "%(name)s was away while Eve changed its own certificate, and does not know the new one. "
            "Make a new enrolment line and run it there; its virtual machines run on meanwhile."
        )
        % {"name": hypervisor.name}
    )


def _context(credential: Credential) -> ssl.SSLContext:
    """Contexts are kept: reading a key takes longer than a handshake."""
    authority = ca_store().authority()
    key = (authority.fingerprint, str(credential.path), credential.stamp)
    context = _contexts.get(key)
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(cadata=authority.pem)
        try:
            context.load_cert_chain(credential.path)
        except OSError as error:
            raise AuthorityError(
                _("Eve's own certificate cannot be read just now: %(why)s.") % {"why": error}
            ) from error
        if len(_contexts) >= MAX_CONTEXTS:
            _contexts.clear()
        _contexts[key] = context
    return context
