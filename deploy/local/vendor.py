"""Copies what the pages load from ``node_modules`` into ``static/vendor/<name>-<version>/``.

The version is in the path, so that browsers may keep the files for ever. ``static/vendor/manifest.json`` maps names to folders:
``{"novnc": "vendor/novnc-1.7.0", …}``; the template tag ``{% vendor %}`` reads it. Standard library only.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

NODE_MODULES = "node_modules"
ICON_LIST = "static/eve/icons.txt"
ICON_PACKAGE = "@tabler/icons"
_SVG_INSIDE = re.compile(r"<svg[^>]*>(?P<inside>.*)</svg>", re.DOTALL)
_CANVAS = re.compile(r'<path[^>]*d="M0 0h24v24H0z"[^>]*/>')
_SOURCE_MAP = re.compile(rb"\s*(?:/\*|//)# sourceMappingURL=[^\n]*\s*$")


class VendorError(Exception):
    """Something that the pages need is not in ``node_modules`` or not as expected; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Package:
    """An npm package and the files or folders of it that the pages load: source → path under its folder."""

    name: str
    npm: str
    files: dict[str, str]


PACKAGES = (
    Package("novnc", "@novnc/novnc", {"core": "core", "vendor": "vendor", "LICENSE.txt": "LICENSE.txt"}),
    Package(
        "xterm", "@xterm/xterm", {"lib/xterm.mjs": "xterm.mjs", "css/xterm.css": "xterm.css", "LICENSE": "LICENSE"}
    ),
    Package("xterm-fit", "@xterm/addon-fit", {"lib/addon-fit.mjs": "addon-fit.mjs", "LICENSE": "LICENSE"}),
    Package("htmx", "htmx.org", {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "LICENSE"}),
    Package(
        "uplot",
        "uplot",
        {"dist/uPlot.iife.min.js": "uPlot.iife.min.js", "dist/uPlot.min.css": "uPlot.min.css", "LICENSE": "LICENSE"},
    ),
    Package("tabler", "@tabler/core", {"dist/css/tabler.min.css": "css/tabler.min.css"}),
    Package(
        "inter",
        "@fontsource-variable/inter",
        {"files/inter-latin-wght-normal.woff2": "inter-latin-wght-normal.woff2", "LICENSE": "LICENSE"},
    ),
)


def vendor_copy(*, root: Path) -> dict[str, str]:
    """Fill ``static/vendor`` of the source tree ``root`` afresh and return the manifest.

    The new folder takes the old one's place only when it is complete.

    Raises:
        VendorError: ``npm ci`` has not run, a package changed its layout, or an icon does not exist.
    """
    target = root / "static" / "vendor"
    staging = target.with_name(".vendor.new")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    manifest: dict[str, str] = {}
    try:
        for package in PACKAGES:
            source = root / NODE_MODULES / package.npm
            folder = f"{package.name}-{_version(source)}"
            for origin, destination in package.files.items():
                _copy(source / origin, staging / folder / destination)
            manifest[package.name] = f"vendor/{folder}"
        manifest["icons"] = f"vendor/{_icons(root=root, staging=staging)}"
        (staging / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest


def vendor_complete(*, root: Path) -> bool:
    """Whether every folder that the manifest names is there."""
    try:
        manifest = json.loads((root / "static" / "vendor" / "manifest.json").read_text())
        folders = [root / "static" / str(folder) for folder in dict(manifest).values()]
    except (OSError, ValueError, TypeError):
        return False
    return len(folders) == len(PACKAGES) + 1 and all(folder.is_dir() for folder in folders)


def sprite(icons: dict[str, str]) -> str:
    """One SVG with a ``<symbol>`` for each icon, from name → the icon's own SVG text. Colours and strokes are left to CSS."""
    symbols: list[str] = []
    for name, svg in sorted(icons.items()):
        found = _SVG_INSIDE.search(svg)
        if found is None:
            raise VendorError(f"The icon {name} of {ICON_PACKAGE} is not an SVG file: run `npm ci` again.")
        inside = " ".join(_CANVAS.sub("", found["inside"]).split())
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{inside}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def _icons(*, root: Path, staging: Path) -> str:
    source = root / NODE_MODULES / ICON_PACKAGE
    folder = f"icons-{_version(source)}"
    icons: dict[str, str] = {}
    for name in (root / ICON_LIST).read_text().split():
        path = source / "icons" / "outline" / f"{name}.svg"
        if not path.is_file():
            raise VendorError(f"{ICON_LIST} names {name}, which {ICON_PACKAGE} does not have: correct the name.")
        icons[name] = path.read_text()
    (staging / folder).mkdir()
    (staging / folder / "icons.svg").write_text(sprite(icons))
    _copy(source / "LICENSE", staging / folder / "LICENSE")
    return folder


def _version(package: Path) -> str:
    try:
        return str(json.loads((package / "package.json").read_text())["version"])
    except (OSError, ValueError, KeyError) as error:
        raise VendorError(f"{package} is missing or damaged: delete node_modules and run again.") from error


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
        return
    if not source.is_file():
        raise VendorError(
            f"{source} is missing: the package changed its layout, and deploy/local/vendor.py has to follow."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    if target.suffix in (".css", ".js"):
        content = _SOURCE_MAP.sub(b"\n", content)  # the map is not shipped
    target.write_bytes(content)


def main() -> int:
    """``python3 -m deploy.local.vendor``: copy what ``npm ci`` installed. Returns the exit code."""
    try:
        folders = vendor_copy(root=Path(__file__).resolve().parents[2])
    except (VendorError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join(folders.values()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
