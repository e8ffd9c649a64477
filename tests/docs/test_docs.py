"""What README and docs/ say, compared with the tree: variables, links, pictures, messages, tests that are named."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from deploy.local.pictures import MOST_BYTES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
VARIABLE = re.compile(r"\b(?:EVE_[A-Z_]+|DATABASE_URL|REDIS_URL)\b")
LINK = re.compile(r"\]\((?!https?:)(?P<target>[^)#\s]+)")
NAMED_TEST = re.compile(r"`(?P<path>tests/[\w/]+\.py)::(?P<name>\w+)`")
FOREIGN_PATH = re.compile(r"(?<![\w.])/(?:work|tmp|home|root)\b")
TITLE = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)
SENTENCE = re.compile(r'{%\s*translate "([^"]+)"\s*%}|{%\s*blocktranslate[^%]*%}(.*?){%\s*endblocktranslate\s*%}')


def read_by(path: str) -> set[str]:
    """The variables that a module names as whole strings: what it reads from the environment."""
    tree = ast.parse((ROOT / path).read_text())
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in strings if VARIABLE.fullmatch(text)}


def in_tables_of(page: str) -> set[str]:
    """The variables in the first column of a page's tables."""
    rows = [line.split("|")[1] for line in (ROOT / page).read_text().splitlines() if line.startswith("| `")]
    return {name for row in rows for name in VARIABLE.findall(row)}


def test_every_setting_is_in_the_table() -> None:
    assert in_tables_of("docs/settings.md") == read_by("eve_site/settings.py")


def test_every_variable_of_make_run_is_in_the_table() -> None:
    assert in_tables_of("docs/run.md") == read_by("deploy/local/config.py")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [match["target"] for match in LINK.finditer(page.read_text())]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_tells_of_somebodys_machine(page: Path) -> None:
    assert FOREIGN_PATH.findall(page.read_text()) == []


def test_every_page_is_reached_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        targets = ((page.parent / match["target"]).resolve() for match in LINK.finditer(page.read_text()))
        waiting += [target for target in targets if target.suffix == ".md" and target not in seen]
    assert set(PAGES) <= seen


def test_pictures_are_shown_and_small() -> None:
    shown = {(page.parent / match["target"]).resolve() for page in PAGES for match in LINK.finditer(page.read_text())}
    pictures = set((ROOT / "docs" / "pictures").iterdir())
    assert {picture.name for picture in pictures - shown} == set()
    assert [picture.name for picture in pictures if picture.stat().st_size > MOST_BYTES] == []


def test_tests_that_are_named_exist() -> None:
    named = [match for page in PAGES for match in NAMED_TEST.finditer(page.read_text())]
    missing = [
        match[0]
        for match in named
        if not (ROOT / match["path"]).exists() or f"def {match['name']}(" not in (ROOT / match["path"]).read_text()
    ]
    assert named
    assert missing == []


def test_every_message_of_the_console_is_explained() -> None:
    """The table in users.md has each title, with example names for the VM and its host."""
    guide = (ROOT / "docs" / "users.md").read_text()
    titles = TITLE.findall((ROOT / "templates" / "consoles" / "messages.html").read_text())
    sentences = [first or second for title in titles for first, second in SENTENCE.findall(title)]
    said = [text.replace("{{ name }}", "web-1").replace("{{ host }}", "hv1") for text in sentences]
    assert len(said) >= len(titles)
    assert [text for text in said if text not in guide] == []
