"""Second factors: adding, checking and removing them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import audit_record
from accounts.errors import BadCode, TooManyAttempts
from accounts.factors.passkeys import BadPasskey, passkey_ask_end, passkey_make_end
from accounts.factors.recovery import CODES, recovery_code_digest, recovery_code_new, recovery_is_code
from accounts.factors.totp import totp_is_code, totp_step
from accounts.models import AuditOutcome, FactorKind, Passkey, RecoveryCode, TotpDevice, User
from accounts.selectors import second_factors_of
from accounts.throttle import Limit, attempt_reserve, attempt_return, limit_of
from common.errors import Conflict, Invalid, LimitReached
from common.sealing import SealBroken, seal, unseal
from common.secrets import digest_of
from common.sentences import gettext as _

from .privileges import privileges_check

MOST_PASSKEYS = 10
_SEAL = "totp"


def code_check(*, user: User, code: str) -> FactorKind:
    """That `code` is of the user's authenticator app, or one of their recovery codes; either is worth nothing afterwards.

    Raises:
        TooManyAttempts: before the code is looked at.
        BadCode: wrong, spent or replayed.
    """
    limit = _attempt(user)
    typed = "".join(code.split()).lower()
    if totp_is_code(typed) and _totp_spend(user, typed):
        return _passed(limit, FactorKind.TOTP)
    if recovery_is_code(typed) and _recovery_spend(user, typed):
        return _passed(limit, FactorKind.RECOVERY)
    raise _failed(user)


def passkey_check(*, user: User, state: dict[str, Any], answer: str) -> FactorKind:
    """That `answer`, a browser's, proves one of the user's passkeys for the question that `state` remembers.

    Raises:
        TooManyAttempts: before the answer is looked at.
        BadCode: it proves none, or comes from a copy of one.
    """
    limit = _attempt(user)
    try:
        proof = passkey_ask_end(state, [bytes(each.credential) for each in user.passkeys.all()], answer)
    except BadPasskey:
        raise _failed(user) from None
    with transaction.atomic():
        passkey = Passkey.objects.select_for_update().filter(credential_digest=_digest(proof.credential_id)).first()
        if passkey is None:  # it was removed a moment ago
            is_copy = False
        else:
            is_copy = max(passkey.sign_count, proof.sign_count) > 0 and proof.sign_count <= passkey.sign_count
        if passkey is not None and not is_copy:
            passkey.sign_count, passkey.last_used_at = proof.sign_count, timezone.now()
            passkey.save(update_fields=["sign_count", "last_used_at"])
            return _passed(limit, FactorKind.PASSKEY)
    raise _failed(user, why="copied passkey" if is_copy else "second factor")


@transaction.atomic
def totp_add(*, user: User, secret: str, code: str) -> list[str]:
    """Takes the authenticator app with `secret`, of which `code` is a code now. Answers the recovery codes that came with it, if it is the first factor.

    Raises:
        Conflict: the user has one already.
        Invalid: it is no code of that secret.
    """
    had = _locked_factors(user)
    if FactorKind.TOTP in had:
        raise Conflict(_("You have an authenticator app already. Remove it first."))
    step = totp_step(secret, "".join(code.split()), now=timezone.now().timestamp())
    if step is None:
        raise Invalid(_("That is not the app's code. Type the one that it shows now, and look at the phone's clock."))
    TotpDevice.objects.create(user=user, sealed_secret=seal(secret, purpose=_SEAL), last_step=step)
    return _added(user, FactorKind.TOTP, had)


@transaction.atomic
def passkey_add(*, user: User, name: str, state: dict[str, Any], answer: str) -> list[str]:
    """Takes the passkey that a browser has made. Answers the recovery codes that came with it, if it is the first factor.

    Raises:
        Invalid: the browser's answer is no new passkey.
        LimitReached: the user has as many as one may have.
    """
    had = _locked_factors(user)
    if user.passkeys.count() >= MOST_PASSKEYS:
        most = {"most": MOST_PASSKEYS}
        raise LimitReached(_("You have %(most)d passkeys, which is the most. Remove one first.") % most)
    try:
        made = passkey_make_end(state, answer)
        with transaction.atomic():
            Passkey.objects.create(
                user=user,
                name=name,
                credential=made.credential,
                credential_digest=_digest(made.credential_id),
                sign_count=made.sign_count,
            )
    except (BadPasskey, IntegrityError):
        raise Invalid(_("The browser made no passkey that Eve can take. Nothing was changed; try again.")) from None
    return _added(user, FactorKind.PASSKEY, had, name=name)


@transaction.atomic
def totp_remove(*, user: User) -> None:
    """Forgets the user's authenticator app. Raises Conflict for the last factor of somebody who has to have one."""
    had = _locked_factors(user)
    if TotpDevice.objects.filter(user=user).delete()[0]:
        _removed(user, FactorKind.TOTP, had)


@transaction.atomic
def passkey_remove(*, passkey: Passkey) -> None:
    """Forgets a passkey. Raises Conflict for the last factor of somebody who has to have one."""
    user = passkey.user
    had = _locked_factors(user)
    if Passkey.objects.filter(pk=passkey.pk).delete()[0]:
        _removed(user, FactorKind.PASSKEY, had, name=passkey.name)


@transaction.atomic
def recovery_codes_renew(*, user: User) -> list[str]:
    """Ten new recovery codes, to be shown once; those before are worth nothing. Raises Conflict without a second factor."""
    if not _locked_factors(user):
        raise Conflict(_("Recovery codes come with a second factor. Set one up first."))
    audit_record(action="second_factor.codes", actor=user, target=user)
    return _codes_make(user)


def second_factor_reset(*, user: User, by: User | None) -> None:
    """Forgets all second factors of somebody who has lost them (`by` None: by a command).

    Raises:
        NotAllowed: `by` is no superuser and `user` is staff.
        Conflict: `by` and `user` are the same: their own profile asks for the password first.
    """
    privileges_check(by=by, target=user, action="second_factor.reset")
    if user == by:
        raise Conflict(_("Remove your own second factors in your profile."))
    with transaction.atomic():
        detail = {"had": [kind.value for kind in _locked_factors(user)]}
        TotpDevice.objects.filter(user=user).delete()
        Passkey.objects.filter(user=user).delete()
        RecoveryCode.objects.filter(user=user).delete()
        audit_record(action="second_factor.reset", actor=by, target=user, detail=detail)


def _attempt(user: User) -> Limit:
    """Counts one attempt for the account, from wherever: who gets this far knows the password."""
    limit = limit_of("second-factor", str(user.pk), most=settings.SECOND_FACTOR_LIMIT)
    try:
        attempt_reserve(limit)
    except TooManyAttempts as error:
        if error.is_first:
            detail = {"why": "too many second factors"}
            audit_record(action="login", actor_label=user.email, outcome=AuditOutcome.DENIED, detail=detail)
        raise
    return limit


def _passed(limit: Limit, kind: FactorKind) -> FactorKind:
    attempt_return(limit)
    return kind


def _failed(user: User, *, why: str = "second factor") -> BadCode:
    audit_record(action="login", actor_label=user.email, outcome=AuditOutcome.FAILURE, detail={"why": why})
    return BadCode()


def _totp_spend(user: User, code: str) -> bool:
    """Takes a code of the user's app once: neither it nor an older one is taken again."""
    device = TotpDevice.objects.filter(user=user).first()
    if device is None:
        return False
    try:
        secret = unseal(device.sealed_secret, purpose=_SEAL)
    except SealBroken:
        return False
    now = timezone.now()
    step = totp_step(secret, code, now=now.timestamp())
    if step is None:
        return False
    unspent = TotpDevice.objects.filter(user=user, sealed_secret=device.sealed_secret, last_step__lt=step)
    return unspent.update(last_step=step, last_used_at=now) == 1


def _recovery_spend(user: User, code: str) -> bool:
    return RecoveryCode.objects.filter(user=user, digest=recovery_code_digest(code)).delete()[0] == 1


def _locked_factors(user: User) -> list[FactorKind]:
    """What the user has, while nobody else changes it."""
    User.objects.select_for_update().get(pk=user.pk)
    return second_factors_of(user)


def _added(user: User, kind: FactorKind, had: list[FactorKind], **detail: str) -> list[str]:
    audit_record(action="second_factor.add", actor=user, target=user, detail={"kind": kind.value, **detail})
    return [] if had else _codes_make(user)


def _removed(user: User, kind: FactorKind, had: list[FactorKind], **detail: str) -> None:
    if had and not second_factors_of(user):
        if settings.STAFF_SECOND_FACTOR and user.is_staff:
            raise Conflict(_("Staff need a second factor here, and this is your last. Add another one first."))
        RecoveryCode.objects.filter(user=user).delete()
    audit_record(action="second_factor.remove", actor=user, target=user, detail={"kind": kind.value, **detail})


def _codes_make(user: User) -> list[str]:
    codes = [recovery_code_new() for _number in range(CODES)]
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=recovery_code_digest(code)) for code in codes)
    return codes


def _digest(credential_id: bytes) -> str:
    return digest_of(credential_id.hex())
