"""One POST, to receivers of all kinds: bounded in time and bytes, and never to where Eve does not go."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from typing import Any
from uuid import uuid4

import pytest

from notifications.errors import AddressRefused, PostFailed
from notifications.sending import posting
from notifications.sending.posting import MOST_HEAD_BYTES, post, target_of
from notifications.sending.signing import secret_new, secret_seal, signed_headers

from .conftest import Receiver


def send(url: str, body: bytes = b"{}", **headers: str) -> int:
    return asyncio.run(post(url=url, body=body, headers=headers))


def refusal(url: str) -> str:
    with pytest.raises(PostFailed) as refused:
        send(url)
    return f"{refused.value.reason} {refused.value.answer or ''}".strip()


def test_a_receiver_gets_it_whole(receiver: Receiver) -> None:
    body = json.dumps({"text": "é" * 100_000}).encode()
    assert send(receiver.url, body, **{"webhook-id": "7"}) == 204
    headers, got = receiver.got[0]
    assert got == body
    assert headers[":request"] == "POST /hook?from=eve HTTP/1.1"
    assert (headers["host"], headers["content-type"]) == (f"localhost:{receiver.port}", "application/json")
    assert headers["webhook-id"] == "7"


def test_hints_before_the_answer_are_none(receiver: Receiver) -> None:
    receiver.behaviour = "early"
    assert send(receiver.url) == 200


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("error", "status 500"), ("redirect", "redirect 307"), ("hang up", "no_answer"), ("no http", "not_reached")],
)
def test_what_is_no_success(receiver: Receiver, behaviour: str, reason: str) -> None:
    receiver.behaviour = behaviour
    assert refusal(receiver.url) == reason
    assert receiver.connections == 1  # nobody followed


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_slow_ones_are_left(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> None:
    monkeypatch.setattr(posting, "SECONDS", 1.0)
    receiver.behaviour = behaviour
    began = time.monotonic()
    assert refusal(receiver.url) == "too_slow"
    assert time.monotonic() - began < 10
    if behaviour == "drip":
        receiver.wait_until(lambda: receiver.open == 0)


def test_an_endless_head_is_left(receiver: Receiver) -> None:
    receiver.behaviour = "endless head"
    assert refusal(receiver.url) == "too_much"
    receiver.wait_until(lambda: receiver.open == 0)
    assert receiver.sent_bytes < 64 * MOST_HEAD_BYTES  # what the sockets between hold, and no more


def test_an_endless_body_is_not_read(receiver: Receiver) -> None:
    receiver.behaviour = "endless body"
    assert send(receiver.url) == 200
    receiver.wait_until(lambda: receiver.open == 0)


def test_nobody_listens(receiver: Receiver) -> None:
    assert refusal("https://localhost:1/") == "not_reached"
    assert refusal("https://no-such-name.invalid/") == "not_reached"
    assert refusal(f"https://{'a' * 64}.example/") == "not_reached"


def test_certificates_are_checked(receiver: Receiver, settings: Any) -> None:
    assert refusal(receiver.url.replace("localhost", "127.0.0.1")) == "tls"
    settings.WEBHOOK_CA_BUNDLE = ""
    assert refusal(receiver.url) == "tls"
    assert receiver.got == []


def test_private_addresses_are_not_connected_to(receiver: Receiver, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    for host in ("localhost", "127.0.0.1", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"):
        with pytest.raises(AddressRefused):
            send(f"https://{host}:{receiver.port}/")
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "//example.org/",
        "https://",
        "https://user:secret@example.org/",
        "https://@example.org/",
        "https://example.org:0/",
        "https://example.org:port/",
        "https://example.org/a b",
        "https://example.org/\r\nX-Evil: 1",
        "https://exämple.org/",
        "https://[::1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[fe80::1%25eth0]/",
        "https://example.org/" + "a" * 2000,
    ],
)
def test_addresses_that_are_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(AddressRefused):
        target_of(url)


def test_a_name_may_lead_elsewhere_later(receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that is connected to is the one that was checked."""
    settings.WEBHOOK_ALLOW_PRIVATE = False
    monkeypatch.setattr(posting, "is_public", lambda address: address == "127.0.0.1")
    assert send(receiver.url) == 204
    monkeypatch.setattr(posting, "is_public", lambda address: False)
    with pytest.raises(AddressRefused):
        send(receiver.url)


def test_old_tls_is_not_spoken() -> None:
    assert posting._context("").minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_signature_is_checked_as_the_docs_say() -> None:
    secret, delivery_id, body = secret_new(), uuid4(), b'{"type": "test"}'
    headers = signed_headers(sealed_secret=secret_seal(secret), delivery_id=delivery_id, timestamp=1700, body=body)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert len(key) == 32
    what = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, what, hashlib.sha256)).decode()
    assert headers == {
        "webhook-id": str(delivery_id),
        "webhook-timestamp": "1700",
        "webhook-signature": f"v1,{signature}",
    }
    assert secret not in secret_seal(secret)
