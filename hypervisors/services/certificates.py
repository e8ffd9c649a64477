"""Writes about certificates: making the CA, signing, revoking, changing Eve's own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from cryptography import x509
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import audit_record
from common.errors import Conflict
from common.sentences import gettext as _
from hypervisors import pki
from hypervisors.address import is_host_name
from hypervisors.castore import CaStore, ca_store
from hypervisors.errors import AuthorityError, CertificateRefused
from hypervisors.models import Certificate, CertificateUsage, EnrolmentToken, Hypervisor, HypervisorState

from .hypervisors import announce_removed, hypervisor_state_set

MAX_PINS = 4
"""As many pins as an agent takes."""
MAX_MANUAL_DAYS = 825


def ca_ensure(*, replace_lost: bool = False) -> CaStore:
    """The CA, made on first use. Safe when many processes start at once.

    With `replace_lost`, a CA whose files are gone is replaced by another one, and every host has to enrol again.

    Raises:
        AuthorityError: the files are gone although certificates were signed, or cannot be read or written.
    """
    store = ca_store()
    if not store.exists and not replace_lost and Certificate.objects.exists():
        raise AuthorityError(
            _(
                "Eve has signed certificates, but its CA is gone from %(folder)s. Put the folder back from a backup. "
                "If there is none, run `manage.py ca_init --replace-lost`: every host then has to be enrolled again."
            )
            % {"folder": store.folder}
        )
    if store.make(now=timezone.now()):
        audit_record(
            action="ca.create",
            target_type="certificate",
            target_id=pki.serial_text(store.authority().certificate),
            target_label=str(store.folder),
            detail={"fingerprint": store.authority().fingerprint},
        )
        if replace_lost:
            _shut_out_all()
    certificate_record(certificate=store.current().certificate, usage=CertificateUsage.EVE)
    return store


def certificate_record(
    *, certificate: x509.Certificate, usage: str, hypervisor: Hypervisor | None = None
) -> Certificate:
    """The certificate's row, made unless it is there."""
    row, _created = Certificate.objects.get_or_create(
        serial=pki.serial_text(certificate),
        defaults={
            "fingerprint": pki.fingerprint(certificate),
            "usage": usage,
            "hypervisor": hypervisor,
            "subject": certificate.subject.rfc4514_string()[:255],
            "not_before": certificate.not_valid_before_utc,
            "not_after": certificate.not_valid_after_utc,
        },
    )
    return row


def certificate_sign_by_hand(
    *, csr_pem: str, names: Sequence[str], usage: pki.Usage, days: int, user: User | None = None
) -> x509.Certificate:
    """A certificate for the key in a signing request, for exactly `names`. No agent or Eve trusts it: they pin.

    Raises:
        CertificateRefused: the request or a name is not acceptable.
    """
    if not 1 <= days <= MAX_MANUAL_DAYS:
        raise CertificateRefused(_("A certificate is signed for 1 to %(most)d days.") % {"most": MAX_MANUAL_DAYS})
    for name in names:
        if not is_host_name(name) or name.endswith(".agent.eve.internal"):
            raise CertificateRefused(_("%(name)s is no host name that can be signed by hand.") % {"name": name})
    if usage is pki.Usage.SERVER and not names:
        raise CertificateRefused(_("A server's certificate needs a name."))
    key = pki.read_signing_request(csr_pem, allowed_names=names)
    certificate = pki.sign(
        ca_ensure().authority(),
        key,
        common_name=names[0] if names else "client",
        dns_names=names,
        usage=usage,
        life=dt.timedelta(days=days),
        now=timezone.now(),
    )
    row = certificate_record(certificate=certificate, usage=CertificateUsage.MANUAL)
    audit_record(action="certificate.sign", actor=user, target=row, detail={"names": list(names), "by_hand": True})
    return certificate


def certificate_revoke(*, serial: str, reason: str = "", user: User | None = None) -> Certificate:
    """Puts a certificate on the deny-list; a host that is pinned to it is shut out at once. Doing so twice is no fault.

    Raises:
        CertificateRefused: no certificate of that serial was signed here.
        Conflict: Eve itself uses it.
    """
    row = Certificate.objects.select_related("hypervisor").filter(serial=pki.serial_from_text(serial)).first()
    if row is None:
        raise CertificateRefused(_("No certificate with that serial was signed by this Eve."))
    if row.revoked_at is not None:
        return row
    if row.usage == CertificateUsage.EVE:
        _check_unused(row)
    with transaction.atomic():
        row.revoked_at, row.revoked_reason = timezone.now(), reason[:200]
        row.save(update_fields=["revoked_at", "revoked_reason"])
        Hypervisor.objects.filter(pending_fingerprint=row.fingerprint).update(pending_fingerprint="")
        for hypervisor in Hypervisor.objects.filter(certificate_fingerprint=row.fingerprint):
            _shut_out(hypervisor, _("Its certificate was revoked."))
        audit_record(action="certificate.revoke", actor=user, target=row, detail={"reason": row.revoked_reason})
    return row


def eve_pins() -> tuple[str, ...]:
    """The fingerprints that agents are to accept: of the client certificate in use, the one to follow, and former ones.

    A former one stays until it ends: consoles that were opened over it are not cut by its successor. Its key is gone.
    """
    store = ca_store()
    following = store.following()
    pins = [store.current().fingerprint, *([following.fingerprint] if following else [])]
    former = Certificate.objects.filter(
        usage=CertificateUsage.EVE, revoked_at__isnull=True, not_after__gt=timezone.now()
    ).order_by("-not_before")
    pins += [pin for pin in former.values_list("fingerprint", flat=True) if pin not in pins]
    return tuple(pins[:MAX_PINS])


def eve_certificate_renew(*, is_forced: bool = False, user: User | None = None) -> None:
    """One step of changing Eve's client certificate, to be called now and then.

    At two thirds of its life (or at once where `is_forced`) a following one is made; the watchers announce it to each
    agent, and from then on Eve comes to that agent with it. It becomes the only one when every enrolled host knows it,
    or when the old one has ended: hosts that were away for all that time have to enrol again.
    """
    store, now = ca_ensure(), timezone.now()
    following = store.following()
    if following is None:
        if not (is_forced or store.current().is_due(now)):
            return
        following = store.make_following(now=now)
        row = certificate_record(certificate=following.certificate, usage=CertificateUsage.EVE)
        audit_record(action="certificate.renew", actor=user, target=row, detail={"usage": "eve"})
    certificate_record(certificate=following.certificate, usage=CertificateUsage.EVE)
    enrolled = Hypervisor.objects.exclude(certificate_fingerprint="").values_list("eve_pins", flat=True)
    if store.current().has_ended(now) or all(following.fingerprint in pins for pins in enrolled):
        store.promote(following)


def _check_unused(row: Certificate) -> None:
    store = ca_store()
    following = store.following()
    if row.fingerprint == store.current().fingerprint or (following and row.fingerprint == following.fingerprint):
        raise Conflict(
            _(
                "Eve itself uses this certificate. Run `manage.py ca_renew`, wait until ca_show names another one as "
                "in use, then revoke this one."
            )
        )


def _shut_out(hypervisor: Hypervisor, why: str) -> None:
    Hypervisor.objects.filter(pk=hypervisor.pk).update(
        certificate_fingerprint="", pending_fingerprint="", eve_pins=[], watcher="", watcher_lease_until=None
    )
    EnrolmentToken.objects.filter(hypervisor=hypervisor, used_at__isnull=True, withdrawn_at__isnull=True).update(
        withdrawn_at=timezone.now()
    )
    hypervisor_state_set(
        hypervisor_id=hypervisor.pk,
        state=HypervisorState.REVOKED,
        reason=_("%(why)s Make a new enrolment line to let the host back in.") % {"why": why},
    )
    announce_removed(hypervisor.pk, "revoked")


def _shut_out_all() -> None:
    for hypervisor in Hypervisor.objects.exclude(certificate_fingerprint=""):
        with transaction.atomic():
            _shut_out(hypervisor, _("Eve has another certificate authority."))
