"""Guessing passwords, many at once and from made-up addresses."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.house import PASSWORD

from .conftest import VERA, Estate

GUESSES = 200
PER_ACCOUNT = 10
"""EVE_LOGIN_LIMIT_PER_ACCOUNT's default."""
CHECKED = """
from accounts.models import AuditEvent, AuditOutcome
guessed = AuditEvent.objects.filter(action="login", actor_label={email!r}, outcome=AuditOutcome.FAILURE)
print(guessed.count(), *sorted(set(guessed.values_list("address", flat=True))))
"""


def log_in(estate: Estate, email: str, password: str, *, source: str, forwarded: str = "") -> int:
    """The answer's status, asked from that address of loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", estate.home.port, timeout=60, source_address=(source, 0))
    headers = {"Content-Type": "application/json"}
    if forwarded:
        headers |= {"X-Forwarded-For": forwarded, "X-Real-IP": forwarded, "Forwarded": f"for={forwarded}"}
    try:
        connection.request("POST", "/api/v1/login", json.dumps({"email": email, "password": password}), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_parallel_guesses_get_no_further_than_the_limit(estate: Estate) -> None:
    def guess(number: int) -> int:
        forwarded = f"198.51.{number // 250}.{number % 250 + 1}"
        return log_in(estate, VERA, f"wrong {number}", source="127.0.0.3", forwarded=forwarded)

    with ThreadPoolExecutor(max_workers=GUESSES) as pool:
        answers = Counter(pool.map(guess, range(GUESSES)))
    assert set(answers) <= {401, 429, 503}
    assert 1 <= answers[401] <= PER_ACCOUNT
    checked, *addresses = estate.home.shell(CHECKED.format(email=VERA)).split()
    assert int(checked) == answers[401], "each password that was looked at is in the audit"
    assert addresses == ["127.0.0.3"], "nobody believes X-Forwarded-For here"

    assert log_in(estate, VERA, PASSWORD, source="127.0.0.3") == 429, "a right guess comes too late"
    assert log_in(estate, VERA, PASSWORD, source="127.0.0.2") == 200
