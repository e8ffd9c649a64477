"""What a page says goes through gettext, but for names, units, keys and what is typed as it is."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deploy.local.config import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
TAGS = re.compile(
    r"{#.*?#}|{%-?\s*blocktrans(?:late)?\b.*?endblocktrans(?:late)?\s*%}|{%\s*comment\b.*?endcomment\s*%}"
    r"|{%\s*block kept_true\s*%}.*?endblock kept_true\s*%}|{%.*?%}|{{.*?}}",  # that block holds attributes
    re.DOTALL,
)
SAID = {"title", "placeholder", "alt", "label", "aria-label", "aria-description"}
AS_THEY_ARE = {"code", "kbd", "pre", "script", "style"}
NAMES = {"Eve", "libvirt", "QEMU", "KVM", "NUMA", "BIOS", "UEFI", "SHA-256", "MHz", "GiB", "vCPU", "ms"}
KEYS = {"Ctrl", "Alt", "Shift", "Insert", "Esc", "Tab", "Home", "End", "Ctrl-C", "Ctrl-D", "Ctrl-Alt-F"}
EXAMPLES = {"ssh-ed25519 AAAA…", "#cloud-config", "version: 2", "web-01"}


class Words(HTMLParser):
    """Collects what a reader sees or hears of a template outside of gettext."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._as_it_is = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._as_it_is += tag in AS_THEY_ARE
        self.found += [value for name, value in attrs if name in SAID and value and value not in EXAMPLES]

    def handle_endtag(self, tag: str) -> None:
        self._as_it_is -= tag in AS_THEY_ARE

    def handle_data(self, data: str) -> None:
        if not self._as_it_is:
            self.found.append(data)


def untranslated(template: str) -> list[str]:
    """Words of it that no translation would reach."""
    reader = Words()
    reader.feed(TAGS.sub(" ", template))
    words = re.findall(r"[^\W\d_]{2,}(?:-\w+)*", " ".join(reader.found))
    return [word for word in words if word not in NAMES | KEYS]


def test_what_is_not_translated_is_found() -> None:
    assert untranslated('<p title="Hello">{% translate "No" %} and {{ it }} <code>eve</code></p>') == ["Hello", "and"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_word_is_translated(path: Path) -> None:
    assert untranslated(path.read_text()) == []
