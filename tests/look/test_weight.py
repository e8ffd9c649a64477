"""What each page makes a browser load, counted from the page itself; and that its policy is strict and nothing on it needs more."""

from __future__ import annotations

import gzip
import re
from functools import cache
from pathlib import Path

import pytest

STATIC = Path(__file__).parent.parent.parent / "static"
BUDGET_BYTES = 200 * 1000
BESIDE = ("/novnc", "/xterm", "/addon-fit")
"""The consoles' own libraries are counted by themselves."""
PAGES = {
    "": ["/login/", "/password/"],
    "owner": [
        "/",
        "/vms/",
        "/vms/new/",
        "/vms/{vm}/",
        "/vms/{vm}/hardware/",
        "/vms/{vm}/settings/",
        "/vms/{vm}/activity/",
        "/vms/{vm}/operations/",
        "/activity/",
        "/vms/{vm}/snapshots/",
        "/images/",
        "/images/new/",
        "/profile/",
        "/projects/{project}/",
        "/projects/new/",
        "/vms/{vm}/console/",
        "/vms/{vm}/console/serial/",
        "/disks/",
    ],
    "superuser": [
        "/manage/",
        "/manage/vms/",
        "/manage/hypervisors/{host}/",
        "/manage/users/",
        "/manage/users/{user}/",
        "/manage/projects/",
        "/manage/projects/{project}/",
        "/manage/drift/",
        "/manage/pools/",
        "/manage/audit/",
        "/manage/operations/",
        "/manage/consoles/",
        "/manage/images/",
        "/manage/sizes/",
        "/manage/quotas/",
        "/admin/",
        "/admin/hypervisors/hypervisor/",
        "/admin/hypervisors/hypervisor/{host}/change/",
    ],
}
STYLED_BY_SCRIPT = {"/vms/{vm}/console/serial/"}
"""xterm.js writes its styles into the page."""
ADDRESSES = [(part, path) for part, paths in PAGES.items() for path in paths]


@cache
def wire_bytes(path: Path) -> int:
    return len(gzip.compress(path.read_bytes()))


def with_imports(path: Path, found: set[Path]) -> None:
    """A module, and what it imports by a relative address."""
    if path in found or not path.is_file():
        return
    found.add(path)
    for name in re.findall(r"""(?:from|import)\s*\(?["'](\.{1,2}/[^"']+)["']""", path.read_text()):
        with_imports((path.parent / name).resolve(), found)


def loaded(html: str) -> set[Path]:
    """The scripts and styles that it names, and what they import."""
    names = re.findall(r'<script[^>]*\ssrc="(/static/[^"]+)"', html)
    names += re.findall(r'<link[^>]*rel="stylesheet"[^>]*href="(/static/[^"]+)"', html)
    found: set[Path] = set()
    for name in names:
        with_imports((STATIC / name.removeprefix("/static/")).resolve(), found)
    return {path for path in found if not any(part in str(path) for part in BESIDE)}


def opened(cast, part, path):
    ids = {
        "vm": cast.acme_vm.pk,
        "project": cast.acme.pk,
        "host": cast.hypervisor_here.pk,
        "user": cast.owner.pk,
    }
    answer = cast.pages(getattr(cast, part) if part else None).get(path.format(**ids))
    assert answer.status_code == 200, path
    return answer


@pytest.mark.parametrize(("part", "path"), ADDRESSES)
def test_a_page_loads_little_and_runs_only_what_its_policy_allows(cast, part, path):
    answer = opened(cast, part, path)
    html = answer.content.decode()
    files = loaded(html)
    assert files or path.startswith("/admin/")
    assert sum(map(wire_bytes, files)) < BUDGET_BYTES, sorted((wire_bytes(file), file.name) for file in files)
    policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
    for directive in ("script-src",) if path in STYLED_BY_SCRIPT else ("script-src", "style-src"):
        assert "unsafe" not in policy.get(directive, policy["default-src"]), policy
    assert not re.search(r"<script(?![^>]*\ssrc=)(?![^>]*application/json)[^>]*>\s*\S", html)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", html)
    assert not re.search(r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1|testserver)', html)


def test_imports_are_followed():
    found: set[Path] = set()
    with_imports(STATIC / "eve" / "live.js", found)
    assert {path.name for path in found} >= {"live.js", "eve.js", "address.js"}
