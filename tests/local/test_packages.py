"""Which Debian packages are asked for."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from deploy.local import packages
from deploy.local.packages import Requirement, debian_release, missing


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ('ID=debian\nVERSION_ID="12"\n', 12),
        ('VERSION_ID="13"\nID=debian\n', 13),
        ("ID=debian\nVERSION_CODENAME=forky\n", math.inf),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', math.inf),
        ("", math.inf),
        (None, math.inf),
    ],
)
def test_the_release(tmp_path: Path, text: str | None, release: float):
    path = tmp_path / "os-release"
    if text is not None:
        path.write_text(text)
    assert debian_release(path) == release


@pytest.mark.parametrize(("release", "expected"), [(12, []), (13, ["eve-no-such-package"])])
def test_a_part_that_became_a_package_of_its_own(monkeypatch: pytest.MonkeyPatch, release: float, expected: list[str]):
    monkeypatch.setattr(packages, "debian_release", lambda: release)
    assert missing((Requirement("eve-no-such-package", since=13), Requirement("eve-shell", "sh"))) == expected
