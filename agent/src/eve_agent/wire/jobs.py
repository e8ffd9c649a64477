"""What takes longer than a request: fetching, copying and checking images. Since version 2.

A job is named by Eve's operation, and begun by what it does (``PUT …/images/{image}``, …). It is remembered for an hour after its
end. An agent that was started anew knows nothing of former jobs: their state is ``unknown``, and the call that began the job is
to be repeated, which goes on where it was or answers that all is done.
"""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass

from .errors import Problem


class JobState(enum.StrEnum):
    """Where a job is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """This agent knows no such job: repeat the call that began it."""


@dataclass(frozen=True, slots=True)
class Job:
    """What ``GET`` and ``DELETE /jobs/{operation}`` answer. DELETE asks it to end; it ends soon after."""

    operation_id: uuid.UUID
    state: JobState
    phase: str = ""
    """What it does just now: ``fetching``, ``copying``, ``hashing``, ``checking``."""
    percent: int = 0
    """0 to 100; 0 as well while the whole is not known."""
    done_bytes: int = 0
    """Of the present phase."""
    total_bytes: int = 0
    """Of the present phase; 0 where it is not known."""
    problem: Problem | None = None
    """Why it failed."""
    sha256: str = ""
    """Of the image, once it is known."""
