"""What the pages load: copied whole, by version, and never half."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.local.vendor import PACKAGES, VendorError, sprite, vendor_complete, vendor_copy

ICON = '<svg width="24" fill="none"><path stroke="none" d="M0 0h24v24H0z" fill="none"/><path d="M3 12h4" /></svg>'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree with made-up packages in node_modules."""
    modules = tmp_path / "node_modules"
    for package in PACKAGES:
        for source in package.files:
            path = modules / package.npm / source
            if Path(source).suffix:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"/* {source} */\n/*# sourceMappingURL=x.map */")
            elif source.isupper():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("licence")
            else:
                path.mkdir(parents=True)
                (path / "module.js").write_text("export {};")
        (modules / package.npm / "package.json").write_text('{"version": "1.2.3"}')
    icons = modules / "@tabler/icons"
    (icons / "icons/outline").mkdir(parents=True)
    (icons / "icons/outline/power.svg").write_text(ICON)
    (icons / "LICENSE").write_text("licence")
    (icons / "package.json").write_text('{"version": "3.0.0"}')
    (tmp_path / "static/eve").mkdir(parents=True)
    (tmp_path / "static/eve/icons.txt").write_text("power\n")
    return tmp_path


def test_files_lie_under_their_version_and_the_manifest_says_where(tree: Path):
    manifest = vendor_copy(root=tree)

    assert manifest["novnc"] == "vendor/novnc-1.2.3"
    assert manifest["icons"] == "vendor/icons-3.0.0"
    assert json.loads((tree / "static/vendor/manifest.json").read_text()) == manifest
    assert (tree / "static/vendor/novnc-1.2.3/core/module.js").is_file()
    assert "sourceMapping" not in (tree / "static/vendor/tabler-1.2.3/css/tabler.min.css").read_text()
    assert vendor_complete(root=tree)


def test_an_old_version_goes_when_the_new_one_is_complete(tree: Path):
    vendor_copy(root=tree)
    (tree / "node_modules/htmx.org/package.json").write_text('{"version": "2.0.0"}')
    vendor_copy(root=tree)

    assert not (tree / "static/vendor/htmx-1.2.3").exists()
    assert (tree / "static/vendor/htmx-2.0.0").is_dir()


def test_a_failure_leaves_what_was_there(tree: Path):
    vendor_copy(root=tree)
    (tree / "node_modules/htmx.org/dist/htmx.min.js").unlink()

    with pytest.raises(VendorError, match=r"htmx\.min\.js is missing"):
        vendor_copy(root=tree)
    assert vendor_complete(root=tree)
    assert not (tree / "static/.vendor.new").exists()


def test_an_icon_that_does_not_exist_is_named(tree: Path):
    (tree / "static/eve/icons.txt").write_text("power\nunicorn\n")
    with pytest.raises(VendorError, match="names unicorn"):
        vendor_copy(root=tree)


@pytest.mark.parametrize("manifest", ["", "{", "[]", "{}", '{"novnc": "vendor/none"}'])
def test_a_damaged_manifest_means_doing_it_again(tree: Path, manifest: str):
    vendor_copy(root=tree)
    (tree / "static/vendor/manifest.json").write_text(manifest)
    assert not vendor_complete(root=tree)


def test_the_sprite_leaves_colours_and_strokes_to_the_style_sheet():
    assert '<symbol id="power" viewBox="0 0 24 24"><path d="M3 12h4" /></symbol>' in sprite({"power": ICON})
    with pytest.raises(VendorError, match="power"):
        sprite({"power": "not found"})
