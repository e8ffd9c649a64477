"""What can go wrong with notifications.

::

    EveError
    ├── Conflict
    │   └── NothingToSend      a delivery has arrived, or is on its way
    ├── Invalid
    │   └── BadWebhook         the address or the kinds are none that Eve takes
    ├── LimitReached
    │   ├── TooManyWebhooks
    │   └── TestWaits          the last test is still on its way
    └── PostFailed             a webhook did not take what it was sent; its code says why
        └── AddressRefused     the address leads to where Eve does not go
"""

from __future__ import annotations

from common.errors import Conflict, EveError, Invalid, LimitReached
from common.sentences import gettext_lazy as _


class BadWebhook(Invalid):
    """The address or the kinds are none that Eve takes."""

    code = "bad_webhook"
    title = _("That webhook cannot be used")


class TooManyWebhooks(LimitReached):
    """There are enough."""

    code = "too_many_webhooks"
    title = _("There are enough webhooks")


class TestWaits(LimitReached):
    """The last test is still on its way."""

    __test__ = False  # no test class
    code = "test_waits"
    title = _("The last test is still on its way")


class NothingToSend(Conflict):
    """It has arrived, or is on its way."""

    code = "nothing_to_send"
    title = _("There is nothing to send again")


class PostFailed(EveError):
    """A webhook did not take what it was sent."""

    code = "post_failed"
    is_final = False
    """Whether trying again cannot help."""

    def __init__(self, reason: str, *, answer: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = answer


class AddressRefused(PostFailed):
    """The address leads to where Eve does not go."""

    code = "address_refused"
    is_final = True

    def __init__(self) -> None:
        super().__init__(self.code)
