"""The audit, searched and taken along, by a staff member in a browser."""

from __future__ import annotations

import csv
from collections.abc import Callable

from playwright.sync_api import Page

from .conftest import World
from .test_pages import LOOKS


def test_what_was_searched_is_what_is_exported(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    for look, options in LOOKS.items():
        page = browse("hera@eve.example", **options)
        page.goto(f"{world.house.url}/manage/audit/?q=login")
        picture(page, f"audit-export-{look}")
        with page.expect_download() as download:
            page.get_by_role("link", name="Export as CSV").click()
        rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
        assert rows
        assert {row["who"] for row in rows} == {"hera@eve.example"}
        assert all(row["action"].startswith("login") for row in rows)
