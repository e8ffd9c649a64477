"""Public SSH keys of users."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from accounts.audit import audit_record
from accounts.errors import KeyKnown
from accounts.models import SshKey, User
from accounts.ssh_keys import NoSshKey, ssh_key_parse
from common.errors import Invalid, LimitReached
from common.sentences import gettext as _

MOST_KEYS = 50


@transaction.atomic
def ssh_key_add(*, user: User, line: str, name: str = "") -> SshKey:
    """Keeps a public key of the user's; without a name it is called as its comment says.

    Raises:
        Invalid: it is no public SSH key.
        KeyKnown: the user has it already.
        LimitReached: the user has :data:`MOST_KEYS`.
    """
    try:
        key = ssh_key_parse(line)
    except NoSshKey as error:
        raise Invalid(str(error), errors={"line": [str(error)]}) from None
    User.objects.select_for_update().get(pk=user.pk)
    if SshKey.objects.filter(user=user).count() >= MOST_KEYS:
        raise LimitReached(_("You have %(most)d SSH keys, which is the most. Remove one first.") % {"most": MOST_KEYS})
    called = (name.strip() or key.comment or key.fingerprint)[:100]
    row = SshKey(user=user, name=called, line=key.line, fingerprint=key.fingerprint)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise KeyKnown(_("You have this key already.")) from None
    audit_record(
        action="ssh_key.add", actor=user, target=row, target_type="ssh_key", detail={"fingerprint": row.fingerprint}
    )
    return row


@transaction.atomic
def ssh_key_remove(*, key: SshKey, by: User) -> None:
    """Forgets it; virtual machines that were made with it keep it. One that is gone already stays gone."""
    key_id = key.pk
    if SshKey.objects.filter(pk=key_id).delete()[0]:
        detail = {"fingerprint": key.fingerprint}
        audit_record(action="ssh_key.remove", actor=by, target=key, target_type="ssh_key", detail=detail)
