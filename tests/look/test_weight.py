"""What each page makes a browser load, counted from the page itself; and that its policy is strict and nothing on it needs more."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.addresses import PAGE_IDS, Route, routes
from tests.cast import Cast
from tests.security.test_objects import PREFIX, ids_of, world

__all__ = ["world"]

STATIC = Path(__file__).parent.parent.parent / "static"
BUDGET_BYTES = 200 * 1000
BESIDE = ("/novnc", "/xterm", "/addon-fit")
"""The consoles' own libraries are counted by themselves."""
STYLED_BY_SCRIPT = {"/vms/<uuid:vm_id>/console/serial/"}
"""xterm.js writes its styles into the page."""
LOOKERS = ("", "owner", "superuser")
NOT_OURS = {"api-docs"}
"""Its interface is Swagger's."""


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


def pages_of(cast: Cast, who: str) -> Iterator[tuple[Route, Any]]:
    """The whole pages that somebody sees."""
    client = cast.pages(getattr(cast, who) if who else None)
    ids = {**ids_of(cast), "pool": f"{PREFIX}-pool", "object_id": cast.acme_vm.pk}
    for route in routes():
        if route.text.startswith("/api/") or route.name in NOT_OURS:
            continue
        answer = client.get(route.path(ids))
        is_html = answer.status_code == 200 and answer["Content-Type"].startswith("text/html")
        if is_html and answer.content.lstrip().lower().startswith(b"<!doctype"):
            yield route, answer


def faults_of(route: Route, answer: Any) -> list[str]:
    """What is wrong with a page."""
    html = answer.content.decode()
    files = loaded(html)
    found = [] if sum(map(wire_bytes, files)) < BUDGET_BYTES else [f"{sum(map(wire_bytes, files))} bytes"]
    found += [] if files or route.text.startswith("/admin/") else ["loads nothing"]
    policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
    directives = ("script-src",) if route.text in STYLED_BY_SCRIPT else ("script-src", "style-src")
    found += [name for name in directives if "unsafe" in policy.get(name, policy["default-src"])]
    forbidden = (
        r"<script(?![^>]*\ssrc=)(?![^>]*application/json)[^>]*>\s*\S",
        r"<style|\sstyle=|\son[a-z]+=",
        r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1|testserver)',
    )
    return found + [match[0] for each in forbidden if (match := re.search(each, html))]


@pytest.mark.parametrize("who", LOOKERS)
def test_pages_load_little_and_run_only_what_their_policy_allows(world: Cast, who: str) -> None:
    seen = dict(pages_of(world, who))
    assert len(seen) >= {"": 3, "owner": 25, "superuser": 60}[who]
    faults = {route.text: found for route, answer in seen.items() if (found := faults_of(route, answer))}
    assert faults == {}
    assert {route.text for route in seen if not route.ids <= PAGE_IDS} == set()


def test_imports_are_followed():
    found: set[Path] = set()
    with_imports(STATIC / "eve" / "live.js", found)
    assert {path.name for path in found} >= {"live.js", "eve.js", "address.js"}
