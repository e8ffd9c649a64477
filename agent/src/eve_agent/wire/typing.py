"""Text that the host types at a guest's keyboard. Since version 2.

It works wherever a keyboard does, at a boot prompt too, and needs nothing in the guest.
"""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field

from .checks import check_range
from .errors import Problem
from .keyboard import KeyboardLayout, missing

MAX_CHARACTERS = 4096
MIN_PACE, MAX_PACE = 5, 50
"""Keys a second."""
DEFAULT_PACE = 20
"""A PS/2 keyboard of 1987 did 30; firmware and boot loaders lose keys that come much faster."""


class TypingState(enum.StrEnum):
    """Where it is."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Nothing was typed at this domain lately, or the agent was started anew."""


@dataclass(frozen=True, slots=True)
class TextToType:
    """Body of ``PUT /libvirt/domains/{uuid}/typing``; the answer is a :class:`TypingStatus`. Never logged.

    Sent again with the same id it types nothing more. Another text is refused while one is being typed.
    """

    typing_id: uuid.UUID
    text: str = field(repr=False)
    """1 to 4096 characters; of the control characters, line ends (``\\n``) and tabs only."""
    layout: KeyboardLayout = KeyboardLayout.US
    """What the guest takes its keyboard for."""
    keys_per_second: int = DEFAULT_PACE

    def __post_init__(self) -> None:
        check_range("text", len(self.text), low=1, high=MAX_CHARACTERS)
        check_range("keys_per_second", self.keys_per_second, low=MIN_PACE, high=MAX_PACE)
        if missing(self.text, self.layout):
            raise ValueError(f"text: has characters that are not on the keyboard “{self.layout}”")


@dataclass(frozen=True, slots=True)
class TypingStatus:
    """What ``GET``, ``PUT`` and ``DELETE …/typing`` answer. DELETE has it end at the next key."""

    state: TypingState
    typing_id: uuid.UUID | None = None
    typed: int = 0
    """Characters so far."""
    total: int = 0
    problem: Problem | None = None
    """Why it failed. What was typed until then stays typed."""
