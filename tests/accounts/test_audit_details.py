"""Details of audit events, in words."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.audit_details import MOST_CHARACTERS, details_in_words


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ({}, []),
        ({"role": "owner", "before": "viewer"}, [("before", "viewer"), ("role", "owner")]),
        ({"memory_bytes": 2**31}, [("memory", "2 GiB")]),
        ({"bytes_to_viewer": 1536}, [("to the viewer", "1.5 KiB")]),
        ({"before": {"vcpus": 1, "memory_bytes": 2**30}}, [("before", "memory 1 GiB, vCPUs 1")]),
        ({"changed": ["name", "remarks"]}, [("changed", "name, remarks")]),
        ({"expires_at": "2026-11-27T04:12:00+00:00"}, [("ends", "27 Nov 2026, 04:12 UTC")]),
        ({"expires_at": "whenever"}, [("ends", "whenever")]),
        ({"by_hand": True, "why": "", "reason": None}, [("by hand", "yes")]),
        ({"reason": "user_disabled"}, [("why", "the account was disabled")]),
        ({"reason": "Sally ended it."}, [("why", "Sally ended it.")]),
        ({"count": 0}, [("how many", "0")]),
        ({"name": "a\x1b[31m\u202eb"}, [("name", "a\ufffd[31m\ufffdb")]),
        ({"name": "x" * 1000}, [("name", "x" * MOST_CHARACTERS)]),
    ],
)
def test_details(detail: dict[str, Any], told: list[tuple[str, str]]) -> None:
    assert details_in_words(detail) == told
