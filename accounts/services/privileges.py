"""Who may change whom."""

from __future__ import annotations

from collections.abc import Collection

from accounts.audit import audit_record
from accounts.models import AuditOutcome, User
from accounts.selectors import is_unlimited_staff
from common.errors import NotAllowed
from common.sentences import gettext as _

PRIVILEGED_FIELDS = frozenset({"is_staff", "is_superuser", "is_site_limited", "groups", "user_permissions"})
"""Only a superuser gives or takes these."""


def privileges_check(*, by: User | None, target: User | None, action: str, fields: Collection[str] = ()) -> None:
    """That `by` (None: Eve's own commands) may do this to `target` (None: somebody new). Raises NotAllowed.

    Staff of every site look after customers, everybody after themselves; only superusers touch other staff, other
    superusers, and the fields that make one.
    """
    if by is None or by.is_superuser:
        return
    is_self = target is not None and target.pk == by.pk
    touches_power = target is not None and not is_self and (target.is_staff or target.is_superuser)
    if PRIVILEGED_FIELDS.isdisjoint(fields) and not touches_power and (is_self or is_unlimited_staff(by)):
        return
    audit_record(action=action, actor=by, target=target, target_type="user", outcome=AuditOutcome.DENIED)
    raise NotAllowed(_("Only superusers may do that."))
