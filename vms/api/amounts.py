"""How much of something a machine is to have."""

from __future__ import annotations

from typing import Any, ClassVar

from eve_agent.wire.checks import MAX_DISK_BYTES, MAX_MEMORY_BYTES, MAX_VCPUS, MIN_DISK_BYTES, MIN_MEMORY_BYTES
from rest_framework import serializers


class AmountField(serializers.IntegerField):
    """A number whose bounds are in the description only: the service refuses what is beyond them, and says what it would take."""

    least: ClassVar[int]
    most: ClassVar[int]
    unit: ClassVar[str | None] = None

    def __init__(self, **options: Any) -> None:
        super().__init__(help_text=self.unit, **options)
        self.min_value, self.max_value = self.least, self.most


class VcpusField(AmountField):
    """Virtual processors."""

    least, most = 1, MAX_VCPUS


class MemoryField(AmountField):
    """Bytes of memory."""

    least, most, unit = MIN_MEMORY_BYTES, MAX_MEMORY_BYTES, "In whole MiB."


class DiskField(AmountField):
    """Bytes of a disk."""

    least, most, unit = MIN_DISK_BYTES, MAX_DISK_BYTES, "In whole MiB."
