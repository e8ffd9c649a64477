"""What changes webhooks. What is sent to them is in :mod:`.deliveries`."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from accounts.models import Project, User
from accounts.services import audit_record, owner_check
from common.errors import NotAllowed
from common.sentences import gettext as _
from notifications.errors import AddressRefused, BadWebhook, NothingToSend, TestWaits, TooManyWebhooks
from notifications.models import HOST_KINDS, PROJECT_KINDS, Delivery, DeliveryState, Kind, Webhook
from notifications.sending.posting import target_of
from notifications.sending.signing import secret_new, secret_seal

from .events import event_record

MOST_WEBHOOKS: Final = 10
"""Of a project, and of a staff member's own."""
CHANGEABLE: Final = frozenset({"name", "url", "kinds", "is_on"})


@transaction.atomic
def webhook_create(
    *, project: Project | None, by: User, name: str, url: str, kinds: Collection[str], is_on: bool = True
) -> tuple[str, Webhook]:
    """A webhook of a project, or without one of `by`'s own for the hosts that they look after; and its secret, shown this once.

    Raises:
        NotAllowed: `by` does not own the project, or is no staff.
        BadWebhook: the address or the kinds are none that Eve takes.
        TooManyWebhooks: there are enough.
    """
    _check_maker(project, by)
    present = Webhook.objects.filter(project=project) if project else Webhook.objects.filter(project=None, made_by=by)
    if present.count() >= MOST_WEBHOOKS:
        raise TooManyWebhooks(_("There are %(most)d already. Delete one that is not needed.") % {"most": MOST_WEBHOOKS})
    secret = secret_new()
    webhook = Webhook.objects.create(
        project=project,
        made_by=by,
        name=_line(name),
        url=_checked_url(url),
        kinds=_checked_kinds(kinds, PROJECT_KINDS if project else HOST_KINDS),
        sealed_secret=secret_seal(secret),
        is_on=is_on,
    )
    _audit("webhook.create", webhook, by, {"kinds": webhook.kinds})
    return secret, webhook


@transaction.atomic
def webhook_update(*, webhook: Webhook, by: User, **changes: Any) -> Webhook:
    """Changes `name`, `url`, `kinds` or `is_on`. Raises NotAllowed, BadWebhook."""
    if unknown := set(changes) - CHANGEABLE:
        raise TypeError(f"not changeable: {', '.join(sorted(unknown))}")
    webhook = _locked(webhook, by)
    if "name" in changes:
        changes["name"] = _line(changes["name"])
    if "url" in changes:
        changes["url"] = _checked_url(changes["url"])
    if "kinds" in changes:
        changes["kinds"] = _checked_kinds(changes["kinds"], PROJECT_KINDS if webhook.project_id else HOST_KINDS)
    changed = {name: value for name, value in changes.items() if getattr(webhook, name) != value}
    for name, value in changed.items():
        setattr(webhook, name, value)
    if changed:
        webhook.save(update_fields=list(changed))
        _audit("webhook.update", webhook, by, {"changed": sorted(changed)})
    return webhook


@transaction.atomic
def webhook_renew_secret(*, webhook: Webhook, by: User) -> tuple[str, Webhook]:
    """Another secret, shown this once; the old one signs nothing any more. Who renews it answers for the webhook from then on.

    Raises NotAllowed.
    """
    webhook = _locked(webhook, by)
    secret = secret_new()
    webhook.sealed_secret, webhook.made_by = secret_seal(secret), by
    webhook.save(update_fields=["sealed_secret", "made_by"])
    _audit("webhook.secret", webhook, by)
    return secret, webhook


@transaction.atomic
def webhook_delete(*, webhook: Webhook, by: User) -> None:
    """Deletes it, and what waits for it. Raises NotAllowed."""
    webhook = _locked(webhook, by)
    _audit("webhook.delete", webhook, by)
    webhook.delete()


@transaction.atomic
def webhook_test(*, webhook: Webhook, by: User) -> Delivery:
    """Sends it a test at once, also while it is switched off. Raises NotAllowed, TestWaits."""
    webhook = _locked(webhook, by)
    if Delivery.objects.filter(webhook=webhook, event__kind=Kind.TEST, state=DeliveryState.WAITING).exists():
        raise TestWaits(_("Wait until it has arrived or was given up, then try again."))
    event = event_record(
        kind=Kind.TEST,
        target_type="webhook",
        target_id=webhook.pk,
        target_label=webhook.name,
        project=webhook.project,
        user=None if webhook.project_id else webhook.made_by,
    )
    event.spread_at = timezone.now()  # to nobody else
    event.save(update_fields=["spread_at"])
    _audit("webhook.test", webhook, by)
    return Delivery.objects.create(event=event, webhook=webhook)


@transaction.atomic
def delivery_again(*, delivery: Delivery, by: User) -> Delivery:
    """Sends what did not arrive once more, at once and under the same id, with the tries and pauses of a new one.

    Raises NotAllowed, NothingToSend.
    """
    assert delivery.webhook is not None, "a mail is not sent again"
    webhook = _locked(delivery.webhook, by)
    ended = Delivery.objects.filter(pk=delivery.pk, state__in=(DeliveryState.GIVEN_UP, DeliveryState.DROPPED))
    if not ended.update(state=DeliveryState.WAITING, attempts=0, next_at=timezone.now(), ended_at=None):
        raise NothingToSend(_("It has arrived, or is tried again by itself. Look at the list of what was sent last."))
    _audit("webhook.again", webhook, by, {"delivery": str(delivery.pk)})
    delivery.refresh_from_db()
    return delivery


def _locked(webhook: Webhook, by: User) -> Webhook:
    row = Webhook.objects.select_for_update().get(pk=webhook.pk)
    _check_maker(row.project, by)
    return row


def _check_maker(project: Project | None, by: User) -> None:
    if project is not None:
        owner_check(by=by, project=project)
    elif not (by.is_active and by.is_staff):
        raise NotAllowed(
            _("Webhooks of one's own are for staff: they tell of hosts. Make one of a project that you own.")
        )


def _checked_url(url: str) -> str:
    try:
        target_of(url)
    except AddressRefused:
        raise BadWebhook(
            _(
                "Only https:// addresses without a name or password in them can be sent to, and none inside the network "
                "unless an administrator allows it."
            )
        ) from None
    return url


def _checked_kinds(kinds: Collection[str], known: Sequence[Kind]) -> list[str]:
    wanted = [kind.value for kind in known if kind.value in kinds]
    if not wanted or len(wanted) != len(set(kinds)):
        raise BadWebhook(
            _("Choose of what it is to be told: one or more of %(kinds)s.")
            % {"kinds": ", ".join(kind.value for kind in known)}
        )
    return wanted


def _line(text: str) -> str:
    """One line without control and direction characters."""
    seen = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)
    line = " ".join(seen.split())[:100].strip()
    if not line:
        raise BadWebhook(_("Give it a name."))
    return line


def _audit(action: str, webhook: Webhook, by: User, detail: dict[str, Any] | None = None) -> None:
    """Never its address: whoever knows it may be able to write there."""
    audit_record(action=action, actor=by, target=webhook, project=webhook.project, detail=detail)
