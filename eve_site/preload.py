"""What pages and API need, loaded before somebody asks for it."""

from __future__ import annotations

from pathlib import Path

from django.template import Engine
from django.urls import get_resolver


def preload() -> None:
    """Reads all addresses, with what answers there, and compiles Eve's own templates."""
    _ = get_resolver().reverse_dict
    engine = Engine.get_default()
    for folder in map(Path, engine.dirs):
        for path in sorted(folder.rglob("*.html")):
            engine.get_template(path.relative_to(folder).as_posix())
