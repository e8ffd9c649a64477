"""Things that a request names by their ids."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.exceptions import ValidationError

from common.sentences import gettext as _

T = TypeVar("T", bound=Model)


def chosen(data: dict[str, Any], field: str, among: QuerySet[T]) -> T | None:
    """What `field` names, `among` what the caller sees; None where it names nothing. Raises ValidationError."""
    key = data.get(field)
    if key is None:
        return None
    found = among.filter(pk=key).first()
    if found is None:
        raise ValidationError({field: [_("There is no such thing, or it is not yours.")]})
    return found
