"""What browsers load: size, icons, nothing from elsewhere."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from whitenoise.middleware import WhiteNoiseMiddleware

ROOT = Path(__file__).parent.parent.parent
STATIC = ROOT / "static"
OWN = STATIC / "eve"
BUDGET_BYTES = 200 * 1024

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@pytest.fixture(scope="module")
def vendored() -> dict[str, Path]:
    """Where each vendored package is."""
    manifest: dict[str, str] = json.loads((STATIC / "vendor" / "manifest.json").read_text())
    return {name: STATIC / folder for name, folder in manifest.items()}


def _compressed(paths: list[Path]) -> int:
    return sum(len(gzip.compress(path.read_bytes())) for path in paths)


def test_a_page_stays_within_its_budget(vendored):
    styles = [vendored["tabler"] / "css/tabler.min.css", *(OWN / "css").glob("*.css")]
    scripts = [vendored["htmx"] / "htmx.min.js", *OWN.glob("*.js")]
    assert _compressed(styles + scripts) < BUDGET_BYTES


def test_a_page_with_graphs_stays_within_its_budget(vendored):
    styles = [
        vendored["tabler"] / "css/tabler.min.css",
        vendored["uplot"] / "uPlot.min.css",
        *(OWN / "css").glob("*.css"),
    ]
    scripts = [vendored["htmx"] / "htmx.min.js", vendored["uplot"] / "uPlot.iife.min.js", *OWN.glob("*.js")]
    assert _compressed(styles + scripts) < BUDGET_BYTES


def test_the_console_stays_within_its_budget(vendored):
    styles = [OWN / "css" / f"{name}.css" for name in ("base", "shell", "components", "console")]
    scripts = [*vendored["novnc"].rglob("*.js"), *(OWN / "console").glob("*.js"), OWN / "eve.js", OWN / "theme.js"]
    assert _compressed(styles + scripts) < BUDGET_BYTES


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("eve/eve.js", "max-age=60, public"),
        ("vendor/{icons}/icons.svg", "max-age=60, public"),
        ("vendor/{htmx}/htmx.min.js", "max-age=315360000, public, immutable"),
    ],
)
def test_after_an_upgrade_pages_soon_run_its_scripts(vendored, settings, path, kept):
    settings.STATIC_ROOT = STATIC
    address = path.format(**{name: folder.name for name, folder in vendored.items()})
    answer = WhiteNoiseMiddleware(lambda request: HttpResponse(status=404))(RequestFactory().get(f"/static/{address}"))
    assert (answer.status_code, answer["Cache-Control"]) == (200, kept)
    assert answer["ETag"]
    answer.close()


def test_every_icon_that_a_template_names_is_in_the_sprite(vendored):
    sprite = set(re.findall(r'<symbol id="([\w-]+)"', (vendored["icons"] / "icons.svg").read_text()))
    used = {(path.name, name) for path in TEMPLATES for name in re.findall(r'{%\s*icon\s+"([\w-]+)"', path.read_text())}
    assert {(path, name) for path, name in used if name not in sprite} == set()
    assert sprite == set((OWN / "icons.txt").read_text().split())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_templates_hold_to_the_content_security_policy(path):
    text = re.sub(r"{% comment %}.*?{% endcomment %}", "", path.read_text(), flags=re.DOTALL)
    assert not re.search(r"\sstyle\s*=\s*[\"']", text), "an inline style"
    assert "<style" not in text
    assert not re.search(r"\son\w+\s*=\s*[\"']", text), "an inline handler"
    assert not re.search(r"<script(?![^>]*\ssrc=)(?![^>]*type=\"application/json\")", text), "an inline script"
    assert not re.search(r"(?:src|href|action)\s*=\s*[\"'](?:https?:)?//", text), "something from elsewhere"
    # A form field's help is the code's own HTML, such as Django's list of password rules; nobody's input.
    assert "|safe" not in text.replace("field.help_text|safe", "")


@pytest.mark.parametrize("path", [*OWN.rglob("*.css"), *OWN.rglob("*.js")], ids=lambda path: path.name)
def test_own_files_load_nothing_from_elsewhere(path):
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", path.read_text())


@pytest.mark.parametrize("path", [*OWN.rglob("*.js")], ids=lambda path: path.name)
def test_modules_stay_readable(path):
    assert len(path.read_text().splitlines()) <= 400
