"""The page that shows the API's description, under the policy that it is served with."""

from __future__ import annotations

import re

from django.test import Client

INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>", re.IGNORECASE)


def test_its_scripts_are_files_of_eves_own(client: Client) -> None:
    answer = client.get("/api/docs/")
    html = answer.content.decode()
    assert answer.status_code == 200
    assert INLINE_SCRIPT.findall(html) == []
    sources = re.findall(r'<script[^>]*\bsrc="([^"]+)"', html)
    assert sources
    assert all(source.startswith("/") and not source.startswith("//") for source in sources)
