"""The lines that mend a proxy: cut out of the examples under deploy/, with this Eve's names in them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

_DEPLOY = Path(settings.BASE_DIR) / "deploy"
_EXAMPLE_NAME, _EXAMPLE_UPSTREAM, _EXAMPLE_PROXIES = "eve.example.org", "127.0.0.1:8000", "127.0.0.1,::1"
_NGINX_PARTS = (
    r"^map .*?^}$",
    r"^upstream .*?^}$",
    r"^    location / \{.*?^    }$",
)
_CADDY_PART = rf"^{re.escape(_EXAMPLE_NAME)} \{{.*?^}}$"
_COMMENT = re.compile(r"\s*#")
_SETTINGS = re.compile(r"^# Eve needs:\s+(?P<lines>EVE_.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """What one program's configuration has to say."""

    code: str
    """``nginx``, ``caddy`` or ``eve``."""
    name: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """To be copied."""
        return "\n".join(self.lines)


def examples(*, page: str, peer: str = "", upstream: str = "") -> list[Example]:
    """For nginx, for Caddy, and Eve's own settings.

    Args:
        page: the origin that people use.
        peer: the proxy's address, where it is known.
        upstream: where the proxy finds Eve.
    """
    nginx = (_DEPLOY / "nginx" / "eve.conf").read_text()
    caddy = (_DEPLOY / "caddy" / "Caddyfile").read_text()
    found = _SETTINGS.search(nginx)
    env = "\n".join(found["lines"].split()) if found else ""
    env = env.replace(f"https://{_EXAMPLE_NAME}", page)
    if peer:
        env = env.replace(_EXAMPLE_PROXIES, peer)
    address = urlsplit(page)
    # Of a name alone Caddy makes an https address, and gets a certificate for it.
    site = _EXAMPLE_NAME if address.scheme == "https" else f"http://{_EXAMPLE_NAME}"
    texts = (
        ("nginx", "nginx", "\n\n".join(_cut(nginx, part) for part in _NGINX_PARTS)),
        ("caddy", "Caddy", _cut(caddy, _CADDY_PART).replace(_EXAMPLE_NAME, site)),
        ("eve", "Eve", env),
    )
    name = address.netloc
    return [Example(code, title, tuple(_named(text, name, upstream).splitlines())) for code, title, text in texts]


def _named(text: str, name: str, upstream: str) -> str:
    return text.replace(_EXAMPLE_NAME, name).replace(_EXAMPLE_UPSTREAM, upstream or _EXAMPLE_UPSTREAM)


def _cut(text: str, part: str) -> str:
    """That part of a file, without comments and columns: a page is narrow."""
    found = re.search(part, text, re.MULTILINE | re.DOTALL)
    lines = textwrap.dedent(found[0]).splitlines() if found else []
    return "\n".join(re.sub(r"(?<=\S) {2,}", " ", line) for line in lines if line.strip() and not _COMMENT.match(line))
