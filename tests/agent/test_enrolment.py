"""Enrolment against a stand-in for Eve, honest and not."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eve_agent import enrolment
from eve_agent.cli import app
from eve_agent.config import Address, Config
from eve_agent.enrolment import Enrolment, EnrolmentError, check_url, enrol
from eve_agent.service.certificates import AGENT_DOMAIN
from eve_agent.service.identity import Identity
from eve_agent.wire.certs import EnrolmentAnswer, EnrolmentRequest, EnrolmentToken
from eve_agent.wire.codec import decode, encode
from typer.testing import CliRunner

from tests.agent import pki

SECRET = "s3cr3t" + "x" * 37


class Eve:
    """Answers ``POST /api/v1/enrol``; tests change what it answers."""

    def __init__(self) -> None:
        self.authority = pki.Authority.make()
        self.client = self.authority.client()
        self.requests: list[EnrolmentRequest] = []
        self.tamper: Callable[[EnrolmentAnswer], EnrolmentAnswer] = lambda answer: answer
        self.leaf_changes: dict[str, Any] = {}
        self.clock_offset = dt.timedelta(0)
        self.raw: tuple[int, dict[str, str], bytes] | None = None
        self.signs_key_of: Callable[[str], str] = lambda csr: csr
        eve = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, data = eve.answer(self.path, body)
                self.send_response(status)
                for name, value in (
                    {"Content-Type": "application/json"} | headers | {"Content-Length": str(len(data))}
                ).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return self.server.server_port

    @property
    def token(self) -> EnrolmentToken:
        return EnrolmentToken("p" * 16, SECRET, self.authority.fingerprint)

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        assert path.endswith("/api/v1/enrol")
        request = decode(EnrolmentRequest, body)
        self.requests.append(request)
        if self.raw is not None:
            return self.raw
        leaf = pki.certify(self.authority, self.signs_key_of(request.csr_pem), **self.leaf_changes)
        answer = EnrolmentAnswer(
            hypervisor_id=pki.HYPERVISOR,
            hypervisor_name="hv1",
            certificate_pem=leaf.pem,
            ca_pem=self.authority.pem,
            eve_fingerprints=(self.client.fingerprint,),
            listen="hv1.example:9443",
            time=dt.datetime.now(dt.UTC) + self.clock_offset,
        )
        return 201, {}, encode(self.tamper(answer))

    def serve_tls(self, folder: Path, leaf: pki.Leaf) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf.write(folder / "web.pem"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def eve() -> Iterator[Eve]:
    eve = Eve()
    yield eve
    eve.close()


@pytest.fixture
def wish(eve: Eve, tmp_path: Path) -> Enrolment:
    return Enrolment(
        url=f"http://127.0.0.1:{eve.port}",
        token=eve.token,
        config_path=tmp_path / "etc" / "agent.toml",
        key_dir=tmp_path / "keys",
    )


def identity(wish: Enrolment) -> Identity:
    return Identity(Config.load(wish.config_path).identity_dir)


def folders(wish: Enrolment) -> list[Path]:
    assert wish.key_dir is not None
    return sorted(wish.key_dir.glob("enrolment-*"))


def test_a_host_is_enrolled(eve: Eve, wish: Enrolment):
    enrolled = enrol(wish)
    assert enrolled.hypervisor_name == "hv1"
    assert enrolled.listen == Address("::", 9443)
    found = identity(wish)
    assert found.agent_name == pki.NAME
    assert found.agent_name.endswith(AGENT_DOMAIN)
    assert found.pins == {eve.client.fingerprint}
    assert found.ca_pem.strip() == eve.authority.pem.strip()
    request = eve.requests[0]
    assert request.token == str(eve.token)
    assert request.contract_version == 2
    assert Config.load(wish.config_path).listen == "[::]:9443"


def test_modes_of_files_and_folders(wish: Enrolment):
    enrol(wish)
    assert wish.key_dir is not None
    assert wish.key_dir.stat().st_mode & 0o777 == 0o700
    (folder,) = folders(wish)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(
        ("identity.pem", "ca.pem", "pins.json"), 0o600
    )
    assert SECRET not in wish.config_path.read_text()


@pytest.mark.parametrize(
    ("says", "asked", "listens"),
    [
        ("127.0.0.1:8443", None, "127.0.0.1:8443"),
        ("[::1]:8443", None, "[::1]:8443"),
        ("localhost:8443", None, "localhost:8443"),
        ("10.0.0.1:8443", None, "[::]:8443"),
        ("hv1.example:8443", "10.0.0.1:9", "10.0.0.1:9"),
    ],
)
def test_where_it_will_listen(eve: Eve, wish: Enrolment, says: str, asked: str | None, listens: str):
    eve.tamper = lambda answer: replace(answer, listen=says)
    enrol(replace(wish, listen=Address.parse(asked) if asked else None))
    assert Config.load(wish.config_path).listen == listens


def test_a_working_enrolment_is_not_overwritten(eve: Eve, wish: Enrolment):
    enrol(wish)
    before = identity(wish).serving.fingerprint
    with pytest.raises(EnrolmentError, match=r"enrolled already .* --force"):
        enrol(wish)
    assert len(eve.requests) == 1
    Config.load(wish.config_path).save(wish.config_path)
    config = replace(Config.load(wish.config_path), log_level="debug")
    config.save(wish.config_path)
    enrol(replace(wish, is_forced=True))
    assert identity(wish).serving.fingerprint != before
    assert Config.load(wish.config_path).log_level == "debug"
    assert len(folders(wish)) == 1


def test_an_enrolment_that_ended_is_replaced_without_force(eve: Eve, wish: Enrolment):
    enrol(wish)
    later = time.time() + 100 * 86400
    eve.clock_offset = dt.timedelta(days=100)
    eve.leaf_changes = {"ends": dt.timedelta(days=190)}
    before = identity(wish).serving.fingerprint
    enrol(wish, clock=lambda: later)
    assert identity(wish).serving.fingerprint != before


def failed(eve: Eve, wish: Enrolment, words: str) -> None:
    """It fails with those words, leaves nothing, and shows no secret."""
    with pytest.raises(EnrolmentError, match=words) as error:
        enrol(wish)
    assert SECRET not in str(error.value)
    assert not wish.config_path.exists()
    assert folders(wish) == []


def test_another_ca(eve: Eve, wish: Enrolment):
    failed(eve, replace(wish, token=replace(eve.token, ca_fingerprint="0" * 64)), "not the Eve that made this token")


def test_the_ca_is_checked_before_anything_else_is_believed(eve: Eve, wish: Enrolment):
    eve.tamper = lambda answer: replace(answer, certificate_pem="nonsense", listen="nonsense", eve_fingerprints=())
    failed(eve, replace(wish, token=replace(eve.token, ca_fingerprint="0" * 64)), "not the Eve that made this token")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"usage": pki.CLIENT}, "for servers"),
        ({"names": ("hv2.agent.eve.internal",)}, "does not name"),
        ({"starts": dt.timedelta(minutes=10)}, "valid from"),
        ({"ends": dt.timedelta(seconds=-10)}, "ended"),
    ],
)
def test_a_wrong_certificate(eve: Eve, wish: Enrolment, changes: dict[str, Any], words: str):
    eve.leaf_changes = changes
    failed(eve, wish, words)


def test_a_certificate_of_another_key(eve: Eve, wish: Enrolment):
    eve.tamper = lambda answer: replace(answer, certificate_pem=eve.authority.issue().pem)
    failed(eve, wish, "another key")


def test_a_certificate_by_another_ca(eve: Eve, wish: Enrolment):
    another = pki.Authority.make()
    eve.tamper = lambda answer: replace(answer, certificate_pem=pki.certify(another, eve.requests[-1].csr_pem).pem)
    failed(eve, wish, "not signed by Eve's CA")


def test_a_ca_that_is_none(eve: Eve, wish: Enrolment):
    leaf = eve.authority.issue()
    eve.tamper = lambda answer: replace(answer, ca_pem=leaf.pem)
    failed(eve, replace(wish, token=replace(eve.token, ca_fingerprint=leaf.fingerprint)), "no CA certificate")


@pytest.mark.parametrize("pins", [(), ("x",)])
def test_no_pins(eve: Eve, wish: Enrolment, pins: tuple[str, ...]):
    eve.tamper = lambda answer: replace(answer, eve_fingerprints=pins)
    failed(eve, wish, "fingerprint")


@pytest.mark.parametrize(("seconds", "words"), [(-90, "90 s ahead of Eve's"), (3600, "3600 s behind Eve's")])
def test_clock_skew_is_named(eve: Eve, wish: Enrolment, seconds: int, words: str):
    eve.clock_offset = dt.timedelta(seconds=seconds)
    eve.leaf_changes = {"starts": dt.timedelta(seconds=seconds), "ends": dt.timedelta(days=1, seconds=seconds)}
    failed(eve, wish, f"this host's clock is .*{words.split(' ', 1)[1]}")


def test_a_little_skew_is_taken(eve: Eve, wish: Enrolment):
    eve.clock_offset = dt.timedelta(seconds=50)
    enrol(wish)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, {}, b'{"detail": "This token was used already."}'), "Eve refused: This token was used already."),
        ((410, {}, b'{"detail": "\\u001b[31mred\\u0007"}'), r"Eve refused: \[31mred$"),
        ((500, {}, b"<html>"), "Eve refused with status 500"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), "redirect"),
        ((200, {}, b"<html>hello</html>"), "does not speak as Eve does"),
        ((200, {}, b"[" * 20000), "does not speak as Eve does"),
        ((200, {}, bytes(70000)), "too long"),
    ],
)
def test_what_eve_may_answer(eve: Eve, wish: Enrolment, answer: tuple[int, dict[str, str], bytes], words: str):
    eve.raw = answer
    failed(eve, wish, words)
    assert len(eve.requests) == 1


def test_nobody_is_there(eve: Eve, wish: Enrolment):
    failed(eve, replace(wish, url="http://127.0.0.1:9"), "cannot be reached")


@pytest.mark.parametrize(
    "url", ["http://eve.example", "http://10.0.0.1", "http://127.0.0.1.evil.example", "http://[2001:db8::1]:8000"]
)
def test_plain_http_is_for_loopback_only(url: str):
    with pytest.raises(EnrolmentError, match="plain http would show the token"):
        check_url(url)


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.2", "http://[::1]:8000/eve/", "https://eve"])
def test_urls_that_are_taken(url: str):
    assert check_url(url).hostname


@pytest.mark.parametrize(
    "url", ["", "eve.example", "ftp://eve", "https://", "https://me:pw@eve", "https://eve:x", "https://e?q"]
)
def test_urls_that_are_none(url: str):
    with pytest.raises(EnrolmentError, match="is no address of Eve"):
        check_url(url)


def web_certificate(authority: pki.Authority, **changes) -> pki.Leaf:
    return authority.issue(names=("localhost",), **changes)


def test_https_by_a_ca_file(eve: Eve, wish: Enrolment, tmp_path: Path):
    web = pki.Authority.make("Web")
    eve.serve_tls(tmp_path, web_certificate(web))
    (tmp_path / "web-ca.pem").write_text(web.pem)
    enrol(replace(wish, url=f"https://localhost:{eve.port}", ca_file=tmp_path / "web-ca.pem"))
    assert identity(wish).pins == {eve.client.fingerprint}


def test_https_ignores_what_the_environment_names(
    eve: Eve, wish: Enrolment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    web = pki.Authority.make("Web")
    eve.serve_tls(tmp_path, web_certificate(web))
    (tmp_path / "web-ca.pem").write_text(web.pem)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "web-ca.pem"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    failed(eve, replace(wish, url=f"https://localhost:{eve.port}"), "did not prove .* --ca-file")
    assert eve.requests == []


def test_a_proxy_of_the_environment_sees_no_token(eve: Eve, wish: Enrolment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    enrol(wish)


def test_https_of_another_name_or_time(eve: Eve, wish: Enrolment, tmp_path: Path):
    web = pki.Authority.make("Web")
    eve.serve_tls(tmp_path, web_certificate(web, ends=dt.timedelta(seconds=-1)))
    (tmp_path / "web-ca.pem").write_text(web.pem)
    url = f"https://localhost:{eve.port}"
    failed(eve, replace(wish, url=url, ca_file=tmp_path / "web-ca.pem"), "clock says .* is that right")
    failed(eve, replace(wish, url=url, ca_file=tmp_path / "none.pem"), "none.pem cannot be read")


def test_what_cannot_be_written_is_found_before_the_token_is_spent(eve: Eve, wish: Enrolment, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnrolmentError, match="cannot write"):
        enrol(replace(wish, key_dir=tmp_path / "file" / "keys"))
    with pytest.raises(EnrolmentError, match="cannot write"):
        enrol(replace(wish, config_path=tmp_path / "file" / "agent.toml"))
    assert eve.requests == []


@pytest.mark.parametrize("failing", ["_write", "_activate"])
def test_a_crash_while_replacing_keeps_the_old_enrolment(
    wish: Enrolment, monkeypatch: pytest.MonkeyPatch, failing: str
):
    enrol(wish)
    before = identity(wish).serving.fingerprint

    def crash(*_args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(enrolment, failing, crash)
    with pytest.raises(EnrolmentError, match=r"disk full.*new line"):
        enrol(replace(wish, is_forced=True))
    assert identity(wish).serving.fingerprint == before
    assert len(folders(wish)) == 1


def run(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_the_command_says_what_to_do_next(eve: Eve, wish: Enrolment):
    common = ("--token", str(eve.token), "--config", str(wish.config_path), "--key-dir", str(wish.key_dir))
    result = run("enrol", wish.url, *common)
    assert result.exit_code == 0
    assert "enrolled as hv1" in result.output
    assert "systemctl enable --now eve-agent" in result.output
    result = run("enrol", wish.url, *common)
    assert result.exit_code == 1
    assert result.output.startswith("eve-agent: this host is enrolled already")
    assert "Traceback" not in result.output


@pytest.mark.parametrize("token", ["", "eve1.short", SECRET])
def test_a_token_that_is_none_is_not_repeated(tmp_path: Path, token: str):
    result = run("enrol", "http://127.0.0.1:9", "--token", token, "--config", str(tmp_path / "agent.toml"))
    assert result.exit_code == 1
    assert result.output == "eve-agent: no enrolment token: copy the whole line that Eve showed\n"


def test_the_refusal_of_eve_reaches_the_operator(eve: Eve, wish: Enrolment):
    eve.raw = (403, {}, json.dumps({"detail": "This token ended at 12:00 UTC."}).encode())
    result = run(
        "enrol", wish.url, "--token", str(eve.token), "--config", str(wish.config_path), "--key-dir", str(wish.key_dir)
    )
    assert result.exit_code == 1
    assert result.output == "eve-agent: Eve refused: This token ended at 12:00 UTC.\n"
