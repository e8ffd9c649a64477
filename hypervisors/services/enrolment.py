"""How a host becomes a hypervisor of Eve's: a one-use line, then a certificate and a pin."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from eve_agent.wire.certs import EnrolmentAnswer, EnrolmentRequest
from eve_agent.wire.certs import EnrolmentToken as TokenText
from eve_agent.wire.version import CONTRACT_VERSION, is_supported

from accounts.models import AuditOutcome, User
from accounts.services import audit_record
from common.errors import EveError
from common.secrets import digest_of, matches, new_public, new_secret
from common.sentences import gettext as _
from hypervisors import pki
from hypervisors.castore import ca_store
from hypervisors.errors import CertificateRefused, ClockSkew, ContractMismatch, EnrolmentRefused
from hypervisors.models import Certificate, CertificateUsage, EnrolmentToken, Hypervisor, HypervisorState

from .certificates import ca_ensure, certificate_record, eve_pins
from .hypervisors import announce_removed, announce_state

TOKEN_LIFE = dt.timedelta(hours=1)
MAX_SKEW = dt.timedelta(seconds=60)


def enrolment_token_create(*, hypervisor: Hypervisor, user: User | None = None) -> tuple[str, EnrolmentToken]:
    """A new token for that hypervisor, as text (shown once, kept nowhere) and as row. Earlier unused ones end.

    Raises:
        AuthorityError: Eve's CA cannot be used.
    """
    authority = ca_ensure().authority()
    secret, now = new_secret(), timezone.now()
    with transaction.atomic():
        hypervisor.enrolment_tokens.filter(used_at__isnull=True, withdrawn_at__isnull=True).update(withdrawn_at=now)
        row = EnrolmentToken.objects.create(
            hypervisor=hypervisor,
            public=new_public(),
            digest=digest_of(secret),
            created_by=user,
            created_at=now,
            expires_at=now + TOKEN_LIFE,
        )
        audit_record(action="enrolment.line", actor=user, target=hypervisor, detail={"token": row.public})
    text = str(TokenText(public=row.public, secret=secret, ca_fingerprint=authority.fingerprint))
    return text, row


def enrolment_line(token: str) -> str:
    """What an operator runs on the host, as root."""
    return f"eve-agent enrol {settings.PUBLIC_URL} --token {token}"


def hypervisor_enrol(*, request: EnrolmentRequest) -> EnrolmentAnswer:
    """Signs a host's key for the hypervisor that its token names, and pins it. Links to the former host are cut.

    Everything is checked before the token is claimed, so that a bad request costs no token; the claim is one atomic
    update, so that of many at once exactly one succeeds. If the answer is lost on its way, a new line starts over.

    Raises:
        EnrolmentRefused: the token is unknown, used, expired or withdrawn, or of another CA.
        ClockSkew: the host's clock is more than :data:`MAX_SKEW` off.
        CertificateRefused: the signing request is not acceptable.
        ContractMismatch: the agent is too old or too new.
        AuthorityError: Eve's CA cannot be used.
    """
    row: EnrolmentToken | None = None
    try:
        token = _parse(request.token)
        row = _find(token)
        _check(request, row)
        return _enrol(request, row)
    except (EnrolmentRefused, CertificateRefused, ContractMismatch) as error:
        _record_refusal(error, row)
        raise


def _parse(text: str) -> TokenText:
    try:
        token = TokenText.parse(text)
    except ValueError:
        raise EnrolmentRefused(_("That is no enrolment token. Copy the whole line that Eve showed.")) from None
    if token.ca_fingerprint != ca_ensure().authority().fingerprint:
        raise EnrolmentRefused(_("The line was made by another Eve, or before Eve's CA was replaced. Make a new line."))
    return token


def _find(token: TokenText) -> EnrolmentToken:
    row = EnrolmentToken.objects.select_related("hypervisor").filter(public=token.public).first()
    if row is None or not matches(token.secret, row.digest):
        raise EnrolmentRefused(_("Eve does not know this token. Make a new line in Eve and run that."))
    return row


def _check(request: EnrolmentRequest, row: EnrolmentToken) -> None:
    now = timezone.now()
    if row.used_at is not None:
        raise _used()
    if row.withdrawn_at is not None:
        raise EnrolmentRefused(_("A newer line was made, or this one was withdrawn. Run the newest line."))
    if row.expires_at <= now:
        raise EnrolmentRefused(
            _("The token expired at %(time)s UTC. Make a new line in Eve and run it within the hour.")
            % {"time": f"{row.expires_at:%Y-%m-%d %H:%M:%S}"}
        )
    if not is_supported(request.contract_version):
        raise ContractMismatch(
            detail=_(
                "The agent speaks version %(agent)d of the contract, Eve %(eve)d. Install the agent that goes with this Eve."
            )
            % {"agent": request.contract_version, "eve": CONTRACT_VERSION}
        )
    if abs(request.time - now) > MAX_SKEW:
        seconds = round(abs(request.time - now).total_seconds())
        raise ClockSkew(
            _(
                "The host's clock is %(seconds)d seconds off: it says %(host)s UTC, Eve's says %(eve)s UTC. "
                "Set the clocks (NTP), then run the same line again."
            )
            % {
                "seconds": seconds,
                "host": f"{request.time.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}",
                "eve": f"{now:%Y-%m-%d %H:%M:%S}",
            },
            skew_seconds=seconds,
        )


def _enrol(request: EnrolmentRequest, row: EnrolmentToken) -> EnrolmentAnswer:
    hypervisor, store, now = row.hypervisor, ca_ensure(), timezone.now()
    names = pki.agent_names(hypervisor.pk, hypervisor.name)
    key = pki.read_signing_request(request.csr_pem, allowed_names=names)
    certificate = pki.sign(
        store.authority(),
        key,
        common_name=hypervisor.name,
        dns_names=names,
        usage=pki.Usage.SERVER,
        life=pki.AGENT_LIFE,
        now=now,
    )
    pins = eve_pins()
    with transaction.atomic():
        claimed = EnrolmentToken.objects.filter(
            pk=row.pk, used_at__isnull=True, withdrawn_at__isnull=True, expires_at__gt=now
        ).update(used_at=now)
        if claimed != 1:
            raise _used()
        _pin(hypervisor, certificate, pins, now)
        audit_record(
            action="hypervisor.enrol",
            actor=row.created_by,
            target=hypervisor,
            detail={
                "serial": pki.serial_text(certificate),
                "fingerprint": pki.fingerprint(certificate),
                "agent_version": request.agent_version[:50],
            },
        )
    return EnrolmentAnswer(
        hypervisor_id=hypervisor.pk,
        hypervisor_name=hypervisor.name,
        certificate_pem=pki.certificate_pem(certificate),
        ca_pem=ca_store().authority().pem,
        eve_fingerprints=pins,
        listen=hypervisor.address,
        time=now,
    )


def _pin(hypervisor: Hypervisor, certificate: x509.Certificate, pins: tuple[str, ...], now: dt.datetime) -> None:
    reason = _("Enrolled just now. Eve is connecting.")
    Certificate.objects.filter(hypervisor=hypervisor, usage=CertificateUsage.AGENT, revoked_at__isnull=True).update(
        revoked_at=now, revoked_reason="replaced by a new enrolment"
    )
    certificate_record(certificate=certificate, usage=CertificateUsage.AGENT, hypervisor=hypervisor)
    Hypervisor.objects.filter(pk=hypervisor.pk).update(
        certificate_serial=pki.serial_text(certificate),
        certificate_fingerprint=pki.fingerprint(certificate),
        certificate_expires_at=certificate.not_valid_after_utc,
        pending_fingerprint="",
        eve_pins=list(pins),
        enrolled_at=now,
        state=HypervisorState.OFFLINE,
        state_reason=reason,
        state_since=now,
    )
    announce_state(hypervisor.pk, HypervisorState.OFFLINE, now)
    announce_removed(hypervisor.pk, "enrolled")


def _used() -> EnrolmentRefused:
    return EnrolmentRefused(
        _(
            "This token was used already. If it was not you who used it, revoke the host's certificate; else make a new line."
        )
    )


def _record_refusal(error: EveError, row: EnrolmentToken | None) -> None:
    audit_record(
        action="hypervisor.enrol",
        target=row.hypervisor if row else None,
        outcome=AuditOutcome.DENIED,
        detail={"why": str(error.detail)},
    )
