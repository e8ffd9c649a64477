"""What an audit event tells besides who did what, in words: for people who read it on the page or in a spreadsheet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise

from common.sentences import gettext as _
from common.sentences import gettext_lazy, is_shown
from common.templatetags.eve import bytes_in_units, exactly

MOST_CHARACTERS: Final = 300
"""Of one value."""
_NAMES: Final[dict[str, Promise]] = {
    "account": gettext_lazy("account"),
    "added": gettext_lazy("added"),
    "address": gettext_lazy("address"),
    "after": gettext_lazy("after"),
    "agent_version": gettext_lazy("agent's version"),
    "before": gettext_lazy("before"),
    "bytes_from_viewer": gettext_lazy("from the viewer"),
    "bytes_to_viewer": gettext_lazy("to the viewer"),
    "changed": gettext_lazy("changed"),
    "characters": gettext_lazy("characters"),
    "close_code": gettext_lazy("close code"),
    "count": gettext_lazy("how many"),
    "devices": gettext_lazy("devices"),
    "expires_at": gettext_lazy("ends"),
    "fingerprint": gettext_lazy("fingerprint"),
    "forced": gettext_lazy("taken over"),
    "from": gettext_lazy("from"),
    "had": gettext_lazy("had"),
    "how": gettext_lazy("how"),
    "hypervisor": gettext_lazy("host"),
    "kind": gettext_lazy("kind"),
    "layout": gettext_lazy("layout"),
    "memory_bytes": gettext_lazy("memory"),
    "mode": gettext_lazy("mode"),
    "name": gettext_lazy("name"),
    "names": gettext_lazy("names"),
    "public": gettext_lazy("token"),
    "query": gettext_lazy("search"),
    "reason": gettext_lazy("why"),
    "removed": gettext_lazy("removed"),
    "role": gettext_lazy("role"),
    "seconds": gettext_lazy("seconds"),
    "serial": gettext_lazy("serial"),
    "session": gettext_lazy("session"),
    "site": gettext_lazy("site"),
    "to": gettext_lazy("to"),
    "typed": gettext_lazy("typed"),
    "vcpus": gettext_lazy("vCPUs"),
    "viewer": gettext_lazy("viewer"),
    "why": gettext_lazy("why"),
}
"""What is not here is called as it is kept."""
_REASONS: Final[dict[str, Promise]] = {
    "logout": gettext_lazy("signed out"),
    "membership_lost": gettext_lazy("no member of the project any more"),
    "password_changed": gettext_lazy("the password was changed"),
    "role_changed": gettext_lazy("the role was changed"),
    "token_revoked": gettext_lazy("the token was revoked"),
    "user_disabled": gettext_lazy("the account was disabled"),
}
"""Why access ended, as :data:`accounts.signals.access_revoked` has it."""


def details_in_words(detail: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each thing that `detail` tells, by its name: no database keeps the order for sure. What is empty is left out."""
    told = sorted((_name(key), _value(key, value)) for key, value in detail.items())
    return [(name, words[:MOST_CHARACTERS]) for name, words in told if words]


def _name(key: str) -> str:
    return str(_NAMES.get(key) or _shown(key.replace("_", " ")))


def _value(key: str, value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words}" for name, words in details_in_words(value))
    if isinstance(value, list | tuple):
        return ", ".join(_value(key, each) for each in value)
    if isinstance(value, int) and "bytes" in key.split("_"):
        return bytes_in_units(value)
    text = str(_REASONS.get(value, value) if key == "reason" else value)
    return _moment(text) if key.endswith(("_at", "since")) else _shown(text)


def _moment(text: str) -> str:
    try:
        return exactly(dt.datetime.fromisoformat(text))
    except ValueError:
        return _shown(text)


def _shown(text: str) -> str:
    return "".join(character if is_shown(character) else "\N{REPLACEMENT CHARACTER}" for character in text)
