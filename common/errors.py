"""The base of all errors that Eve answers with.

Each app's ``errors.py`` derives its own from :class:`EveError` and shows its tree in its docstring.
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.utils.functional import Promise

from common.sentences import gettext_lazy as _


class EveError(Exception):
    """Something could not be done as asked. `detail` is for a person: what happened, what it means, what to do."""

    status: ClassVar[int] = 500
    """The HTTP status that goes with it."""
    code: ClassVar[str] = "internal"
    """Stable, for programs; the last part of the problem's type."""
    title: ClassVar[str | Promise] = _("Something went wrong")
    challenge: ClassVar[str] = ""
    """With status 401: ``WWW-Authenticate``, how to sign in (RFC 9110, 11.6.1)."""
    retryable: ClassVar[bool] = False
    """Whether the same request may succeed later without anybody changing it."""

    def __init__(self, detail: str | Promise = "", *, for_staff: str = "", **members: Any) -> None:
        self.detail = detail or self.title
        super().__init__(f"{self.detail} ({for_staff})" if for_staff else str(self.detail))
        self.for_staff = for_staff
        """What is no customer's business, for logs and staff: what a host or library said itself, where it is, how to mend it."""
        self.site_id: UUID | None = None
        """The site at whose host it happened: the staff of that one are told `for_staff`."""
        self.members = members
        """Further members of the problem details, such as ``limit``."""

    def happened_at(self, site_id: UUID) -> None:
        """Says at which site, unless whoever was nearer to it said so."""
        self.site_id = self.site_id or site_id


class Conflict(EveError):
    """The target is not in a state in which that can be done."""

    status = 409
    code = "conflict"
    title = _("Not possible just now")


class NotAllowed(EveError):
    """The caller sees the target, but may not do that."""

    status = 403
    code = "not_allowed"
    title = _("Not allowed")


class Invalid(EveError):
    """What was given is not valid."""

    status = 400
    code = "invalid"
    title = _("That is not valid")


class LimitReached(EveError):
    """A limit is reached."""

    status = 429
    code = "limit_reached"
    title = _("The limit is reached")


class Unavailable(EveError):
    """Something that Eve needs for this is away."""

    status = 503
    code = "unavailable"
    title = _("Not available just now")
    retryable = True
