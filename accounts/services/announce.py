"""Announces lost access once it is true."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from accounts.signals import access_revoked


def announce_revoked(*, reason: str, **whose: Any) -> None:
    """Sends :data:`accounts.signals.access_revoked` on commit; a receiver that fails does not keep others from hearing."""
    transaction.on_commit(partial(access_revoked.send_robust, sender=None, reason=reason, **whose))
