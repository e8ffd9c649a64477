"""Where things lie: the site of what an operation changes or an audit event tells of. The apps above know; they say how to find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import Model

Finder = Callable[[Any], UUID | None]

_finders: dict[type[Model], Finder] = {}


def register_place(model: type[Model]) -> Callable[[Finder], Finder]:
    """Lets an app above say at which site one of its objects lies."""

    def register(finder: Finder) -> Finder:
        _finders[model] = finder
        return finder

    return register


def site_of(target: Model) -> UUID | None:
    """The UUID of the site where the object lies; None for what lies at none."""
    finder = _finders.get(type(target))
    return finder(target) if finder else None
