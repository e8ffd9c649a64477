"""``manage.py prepare``, which runs before each start of Eve."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper


@pytest.mark.django_db
def test_static_files_are_collected_when_one_has_changed(tmp_path: Path, settings: SettingsWrapper):
    source = tmp_path / "source"
    source.mkdir()
    (source / "page.css").write_text("a {}")
    settings.STATE_DIR = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATICFILES_DIRS = [source]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    collected = settings.STATIC_ROOT / "page.css"

    call_command("prepare", verbosity=0)
    assert collected.read_text() == "a {}"

    collected.write_text("left alone")
    call_command("prepare", verbosity=0)
    assert collected.read_text() == "left alone"

    (source / "page.css").write_text("a, b {}")
    later = time.time() + 10  # Django compares whole seconds
    os.utime(source / "page.css", (later, later))
    call_command("prepare", verbosity=0)
    assert collected.read_text() == "a, b {}"

    (tmp_path / "static-signature").unlink()
    (source / "other.css").write_text("c {}")
    call_command("prepare", verbosity=0)
    assert (settings.STATIC_ROOT / "other.css").exists()
