"""Which hosts give the machines that are made there a clipboard."""

from __future__ import annotations

import pytest
from eve_agent.driver.clipboard import has_clipboard


@pytest.mark.parametrize(
    ("choice", "libvirt_version", "qemu_version", "expected"),
    [
        ("auto", 9_000_000, 7_002_022, False),
        ("auto", 11_003_000, 10_000_002, False),
        ("auto", 11_003_000, 10_001_000, True),
        ("auto", 8_003_000, 10_001_000, False),
        ("on", 9_000_000, 7_002_022, True),
        ("on", 8_003_000, 7_002_022, False),
        ("off", 11_003_000, 10_001_000, False),
    ],
)
def test_where_it_costs_no_snapshot_or_where_it_is_wanted(choice, libvirt_version, qemu_version, expected):
    assert has_clipboard(choice, libvirt_version=libvirt_version, qemu_version=qemu_version) is expected
