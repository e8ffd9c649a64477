"""Keeping the trust between Eve and an agent alive over the channel that exists. Talks to the agent: no transaction is
open meanwhile, and each step may be repeated after a crash.

A renewed certificate goes: the agent makes a key and a request · Eve signs it and *stores its fingerprint as pending* ·
the agent installs it and shows it on new connections · Eve comes over a new connection, sees it, and makes it the pin.
From the second step on Eve accepts both. What was never installed is forgotten and refused.
"""

from __future__ import annotations

import datetime as dt
import uuid

from cryptography import x509
from django.db import transaction
from django.utils import timezone

from accounts.services import audit_record
from hypervisors import pki
from hypervisors.client import AgentClient
from hypervisors.models import Certificate, CertificateUsage, Hypervisor
from hypervisors.transport import drop_idle

from .certificates import ca_ensure, certificate_record, eve_pins


def agent_trust_maintain(*, hypervisor_id: uuid.UUID) -> None:
    """Tells the agent Eve's pins where they changed, and renews the agent's certificate when two thirds of its life are
    over. To be called now and then, while the agent is reachable.

    Raises:
        AgentError: the agent did not do its part; the next call goes on from there.
    """
    hypervisor = Hypervisor.objects.filter(pk=hypervisor_id).exclude(certificate_fingerprint="").first()
    if hypervisor is None:
        return
    eve_pins_announce(hypervisor=hypervisor)
    if hypervisor.pending_fingerprint:
        _resume(hypervisor)
    if not hypervisor.pending_fingerprint and is_renewal_due(hypervisor, timezone.now()):
        agent_certificate_renew(hypervisor=hypervisor)


def is_renewal_due(hypervisor: Hypervisor, now: dt.datetime) -> bool:
    """Whether two thirds of its certificate's life are over."""
    row = Certificate.objects.filter(fingerprint=hypervisor.certificate_fingerprint).first()
    if row is None:
        return False
    return now >= row.not_before + (row.not_after - row.not_before) * 2 / 3


def eve_pins_announce(*, hypervisor: Hypervisor) -> None:
    """Tells the agent which client certificates to accept, unless it is known to know. Raises AgentError."""
    wanted = list(eve_pins())
    if set(wanted) == set(hypervisor.eve_pins):
        return
    with AgentClient(hypervisor) as client:
        client.certificate_announce(tuple(wanted))
    # the same enrolment still: a host that enrolled anew in between was given other pins
    rows = Hypervisor.objects.filter(pk=hypervisor.pk, enrolled_at=hypervisor.enrolled_at)
    rows.exclude(certificate_fingerprint="").update(eve_pins=wanted)
    hypervisor.refresh_from_db()


def agent_certificate_renew(*, hypervisor: Hypervisor) -> None:
    """A new certificate for the agent's new key, made the pin once it was seen working. Raises AgentError."""
    with AgentClient(hypervisor) as client:
        request = client.certificate_request()
    names = pki.agent_names(hypervisor.pk, hypervisor.name)
    certificate = pki.sign(
        ca_ensure().authority(),
        pki.read_signing_request(request.csr_pem, allowed_names=names),
        common_name=hypervisor.name,
        dns_names=names,
        usage=pki.Usage.SERVER,
        life=pki.AGENT_LIFE,
        now=timezone.now(),
    )
    if not _store_pending(hypervisor, certificate):
        return
    with AgentClient(hypervisor) as client:
        client.certificate_install(pki.certificate_pem(certificate))
    _confirm(hypervisor)


def _store_pending(hypervisor: Hypervisor, certificate: x509.Certificate) -> bool:
    """Before the agent gets the certificate, so that Eve never meets one that it has forgotten."""
    with transaction.atomic():
        row = certificate_record(certificate=certificate, usage=CertificateUsage.AGENT, hypervisor=hypervisor)
        is_same = Hypervisor.objects.filter(
            pk=hypervisor.pk, certificate_fingerprint=hypervisor.certificate_fingerprint, pending_fingerprint=""
        ).update(pending_fingerprint=row.fingerprint)
        if not is_same:
            _forget(row.fingerprint)
    hypervisor.refresh_from_db()
    return bool(is_same)


def _resume(hypervisor: Hypervisor) -> None:
    """A renewal was begun: it ends here, or is forgotten if the agent never got the certificate."""
    with AgentClient(hypervisor) as client:
        status = client.certificate_status()
        if hypervisor.pending_fingerprint in (client.peer_fingerprint, status.fingerprint):
            _promote(hypervisor)
            return
    if status.pending_fingerprint == hypervisor.pending_fingerprint:
        _confirm(hypervisor)
        return
    with transaction.atomic():
        _forget(hypervisor.pending_fingerprint)
        Hypervisor.objects.filter(pk=hypervisor.pk, pending_fingerprint=hypervisor.pending_fingerprint).update(
            pending_fingerprint=""
        )
    hypervisor.refresh_from_db()


def _confirm(hypervisor: Hypervisor) -> None:
    """Comes over a new connection; if the agent shows the pending certificate there, it becomes the pin."""
    drop_idle(hypervisor.pk)
    with AgentClient(hypervisor) as client:
        client.certificate_status()
        if client.peer_fingerprint == hypervisor.pending_fingerprint:
            _promote(hypervisor)


def _promote(hypervisor: Hypervisor) -> None:
    row = Certificate.objects.get(fingerprint=hypervisor.pending_fingerprint)
    with transaction.atomic():
        rows = Hypervisor.objects.filter(pk=hypervisor.pk, pending_fingerprint=row.fingerprint)
        if rows.update(
            certificate_fingerprint=row.fingerprint,
            certificate_serial=row.serial,
            certificate_expires_at=row.not_after,
            pending_fingerprint="",
        ):
            audit_record(action="certificate.renew", target=row, detail={"hypervisor": hypervisor.name})
    hypervisor.refresh_from_db()


def _forget(fingerprint: str) -> None:
    Certificate.objects.filter(fingerprint=fingerprint, revoked_at__isnull=True).update(
        revoked_at=timezone.now(), revoked_reason="never installed"
    )
