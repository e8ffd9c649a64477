"""Limits of projects, held under a lock: of any number of creates at once, no more succeed than fit."""

from __future__ import annotations

from django.db import transaction

from accounts.models import Project, User
from accounts.selectors import is_unlimited_staff
from accounts.services import audit_record
from common.sentences import gettext_lazy as _
from vms.errors import ActionNotAllowed, QuotaExceeded
from vms.models import Quota
from vms.quotas import LIMITS, Amounts, amount_words, limit_words, quota_of, usage_of


def quota_reserve(*, project: Project, amounts: Amounts) -> None:
    """Makes sure that the project may use `amounts` more. The caller's transaction makes them before anybody else may ask.

    Raises:
        QuotaExceeded: one of the limits does not allow it; with what, used, limit and wanted.
    """
    Project.objects.select_for_update().get(pk=project.pk)
    limits, used = quota_of(project), usage_of(project)
    for name, label in LIMITS.items():
        wanted, limit, now = getattr(amounts, name), getattr(limits, name), getattr(used, name)
        if wanted and limit is not None and now + wanted > limit:
            raise QuotaExceeded(
                _(
                    "Project %(project)s may use %(limit)s. In use: %(used)s. This needs %(wanted)s more. "
                    "Delete something, choose less, or ask the staff for a larger quota."
                )
                % {
                    "project": project.name,
                    "limit": limit_words(name, label, limit),
                    "used": amount_words(name, now),
                    "wanted": amount_words(name, wanted),
                },
                what=name,
                limit=limit,
                used=now,
                wanted=wanted,
            )


@transaction.atomic
def quota_set(*, project: Project, user: User, limits: dict[str, int | None]) -> Quota:
    """Sets the project's limits; None is the installation's default. Raises ActionNotAllowed: for staff of every site only."""
    if not is_unlimited_staff(user):
        raise ActionNotAllowed(_("Quotas are set by the staff of every site."))
    quota, _is_new = Quota.objects.update_or_create(project=project, defaults=limits)
    audit_record(action="quota.set", actor=user, target=project, project=project, detail=dict(limits))
    return quota
