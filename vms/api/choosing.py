"""Things that a request names by their ids."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.exceptions import ValidationError

from common.sentences import gettext as _

T = TypeVar("T", bound=Model)


def chosen(data: dict[str, Any], field: str, among: QuerySet[T]) -> T | None:
    """As :func:`named`; None where the field is left out, or null."""
    return named(data, field, among) if data.get(field) is not None else None


def named(data: dict[str, Any], field: str, among: QuerySet[T]) -> T:
    """What `field` names, `among` what the caller sees. Raises ValidationError."""
    found = among.filter(pk=data[field]).first()
    if found is None:
        raise ValidationError({field: [_("There is no such thing, or it is not yours.")]})
    return found
