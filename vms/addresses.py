"""Addresses of what belongs to one VM, for lists: asking Django's resolver hundreds of times is a fifth of what a list costs."""

from __future__ import annotations

import functools
from uuid import UUID

from django.urls import reverse

_ANY = UUID(int=0)


def vm_address(name: str, vm_id: UUID) -> str:
    """``reverse(name, args=[vm_id])``, for a pattern with that one argument."""
    before, after = _around(name)
    return f"{before}{vm_id}{after}"


@functools.cache
def _around(name: str) -> tuple[str, str]:
    before, _id, after = reverse(name, args=[_ANY]).partition(str(_ANY))
    return before, after
