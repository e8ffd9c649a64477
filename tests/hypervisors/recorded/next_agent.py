"""Today's agent as one of the next contract might be: ``eve-agent`` with more fields, members, kinds of events and close codes.

What the rule for the contract's growth allows is done to what it says, at the last moment before that becomes bytes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from eve_agent.wire import version

version.CONTRACT_VERSION += 1  # before anything reads it

from eve_agent import cli  # noqa: E402
from eve_agent.transport import events, relay  # noqa: E402
from eve_agent.wire import codec  # noqa: E402
from eve_agent.wire.close import CloseCode  # noqa: E402
from eve_agent.wire.domain import Domain  # noqa: E402
from eve_agent.wire.errors import ErrorCode, Problem  # noqa: E402

CLOSE_CODE = 4099
_to_plain, _put, _close_frame = codec.to_plain, events.Mailbox.put, relay.close_frame


@dataclass(frozen=True)
class HostWarm:
    """An event that nobody knows yet."""

    kind: str = "host_warm"
    temperature_celsius: int = 70


def to_plain(value: Any) -> Any:
    """As today's, and more."""
    plain = _to_plain(value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return plain
    plain["of_the_next_version"] = {"is": "unknown"}
    if isinstance(value, Domain):
        plain["graphics"].append({"kind": "webgpu", "index": len(value.graphics), "frames_per_second": 60})
        plain["state"] = {"paused": "hibernating"}.get(plain["state"], plain["state"])
    if isinstance(value, Problem) and value.code is ErrorCode.DOMAIN_NOT_FOUND:
        plain["code"] = "domain_elsewhere"
    return plain


def put(mailbox: Any, event: Any) -> None:
    """Something unknown before each event."""
    _put(mailbox, HostWarm())
    _put(mailbox, event)


def close_frame(code: int, reason: str = "") -> bytes:
    """A lost display has a code of its own."""
    return _close_frame(CLOSE_CODE if code == CloseCode.DISPLAY_LOST else code, reason)


if __name__ == "__main__":
    codec.to_plain = to_plain
    events.Mailbox.put = put  # type: ignore[method-assign, assignment]
    relay.close_frame = close_frame
    cli.main()
