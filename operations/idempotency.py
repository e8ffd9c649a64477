"""``Idempotency-Key``: a retry of a request gets what the first try made (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac

from accounts.models import User
from common.errors import EveError, Invalid
from common.sentences import gettext_lazy as _

from .errors import IdempotencyMismatch
from .models import IdempotencyKey, Operation

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def request_digest(*what: Any) -> str:
    """What was asked for (method, path, checked data), as a digest to compare by.

    Keyed with Eve's secret: a request may hold a password, which whoever reads the database must not be able to guess.
    """
    text = json.dumps(what, sort_keys=True, default=str)
    return salted_hmac("operations.idempotency", text, algorithm="sha256").hexdigest()


def operation_once(*, user: User, key: str, digest: str, make: Callable[[], Operation]) -> Operation:
    """The operation that `make` makes; under a `key` that was used before, the one that was made then.

    `make` runs in a transaction with the record of its key: any number of tries at once make one operation. Without a key
    it is just called.

    Raises:
        Invalid: the key is no key.
        IdempotencyMismatch: it was used with another `digest`.
        and what `make` raises.
    """
    if not key:
        return make()
    if not _KEY.fullmatch(key):
        raise Invalid(_("An Idempotency-Key is 1 to 255 visible ASCII characters, such as a random UUID."))
    found = _made_under(user, key, digest)
    if found is not None:
        return found
    try:
        with transaction.atomic():
            operation = make()
            IdempotencyKey.objects.create(user=user, key=key, request_digest=digest, operation=operation)
    except (IntegrityError, EveError):
        found = _made_under(user, key, digest)  # another try was faster, and this one met what it had made
        if found is None:
            raise
        return found
    return operation


def _made_under(user: User, key: str, digest: str) -> Operation | None:
    row = IdempotencyKey.objects.select_related("operation").filter(user=user, key=key).first()
    if row is None:
        return None
    if row.request_digest != digest:
        raise IdempotencyMismatch(
            _(
                "This Idempotency-Key came with another request before. Nothing was done; use a new key for a new request."
            )
        )
    return row.operation
