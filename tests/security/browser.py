"""What a browser does with Eve's pages, without drawing them."""

from __future__ import annotations

import re
from typing import Any

import requests

from tests.e2e.house import PASSWORD


class Browser(requests.Session):
    """Keeps cookies, sends the page's own origin and CSRF token."""

    def __init__(self, url: str, *, verify: str | bool = True) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = verify
        self.url = url

    def sign_in(self, email: str, password: str = PASSWORD) -> Browser:
        """By the login page. Raises AssertionError where it refuses."""
        page = self.get(f"{self.url}/login/", timeout=10)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert found is not None, page.text[:2000]
        form = {"email": email, "password": password, "csrfmiddlewaretoken": found[1]}
        answer = self.send_form("/login/", form)
        assert answer.status_code == 302, answer.text[:2000]
        return self

    def send_form(self, path: str, form: dict[str, str] | None = None) -> requests.Response:
        """Posts a form of one of the pages."""
        data = {"csrfmiddlewaretoken": self.csrf_token, **(form or {})}
        headers = {"Origin": self.url, "Referer": f"{self.url}/"}
        return self.post(f"{self.url}{path}", data=data, headers=headers, allow_redirects=False, timeout=30)

    def send_json(self, path: str, body: Any = None) -> requests.Response:
        """As a page's script posts to the API."""
        headers = {"Origin": self.url, "Referer": f"{self.url}/", "X-CSRFToken": self.csrf_token}
        return self.post(f"{self.url}/api/v1{path}", json=body or {}, headers=headers, timeout=30)

    def ticket(self, vm_id: str) -> str:
        """A console ticket, as the console's page gets one."""
        answer = self.send_json(f"/vms/{vm_id}/console")
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket"])

    @property
    def csrf_token(self) -> str:
        """The cookie's."""
        return self._cookie("csrf")

    @property
    def session_key(self) -> str:
        """The login session's secret."""
        return self._cookie("session")

    @property
    def cookie_header(self) -> str:
        """All cookies, as a handshake carries them."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies)

    def _cookie(self, part: str) -> str:
        return next((str(cookie.value) for cookie in self.cookies if part in cookie.name), "")
