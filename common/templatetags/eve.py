"""Icons, vendored files, and numbers in units that people use."""

from __future__ import annotations

import functools
import json

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@functools.cache
def _vendored() -> dict[str, str]:
    manifest = settings.BASE_DIR / "static" / "vendor" / "manifest.json"
    return dict(json.loads(manifest.read_text()))


@register.simple_tag
def vendor(package: str, path: str) -> str:
    """The address of `path` in a vendored npm package, such as ``{% vendor "novnc" "core/rfb.js" %}``."""
    return static(f"{_vendored()[package]}/{path}")


@register.simple_tag
def icon(name: str, size: int = 18) -> SafeString:
    """An icon of the sprite, hidden from screen readers: words stand beside it."""
    return format_html(
        '<svg class="icon" width="{0}" height="{0}" aria-hidden="true" focusable="false"><use href="{1}#{2}"></use></svg>',
        size,
        vendor("icons", "icons.svg"),
        name,
    )
