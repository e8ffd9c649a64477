"""Enrolment: one token becomes this host's key, certificate and configuration.

Eve is asked over https (system roots, or ``--ca-file``; nothing that the environment names), or over plain http
on loopback only. What it answers is believed only after its CA matched the token's fingerprint.
"""

from __future__ import annotations

import datetime as dt
import http.client
import ipaddress
import json
import os
import secrets
import shutil
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from . import __version__, files
from .config import Address, Config, ConfigError
from .errors import AgentError
from .service import certificates
from .service.identity import Credential, IdentityError, check_pins, credential_pem
from .wire import paths
from .wire.certs import EnrolmentAnswer, EnrolmentRequest, EnrolmentToken, Pins, agent_dns_name
from .wire.codec import DecodeError, decode, encode
from .wire.version import CONTRACT_VERSION, VERSION_HEADER

MAX_SKEW_SECONDS = 60
MAX_ANSWER_BYTES = 64 * 1024
TIMEOUT_SECONDS = 30.0
_MAX_DETAIL = 300
_ROOT_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_NOT_YET_VALID = 9
_EXPIRED = 10
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and …_HAS_EXPIRED."""


class EnrolmentError(Exception):
    """Enrolment failed; the text is one sentence for the operator, without secrets."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the operator asked for."""

    url: str
    token: EnrolmentToken
    config_path: Path
    key_dir: Path | None = None
    ca_file: Path | None = None
    listen: Address | None = None
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What came of it."""

    hypervisor_name: str
    listen: Address
    not_after: dt.datetime


def enrol(wish: Enrolment, *, clock: Callable[[], float] = time.time) -> Enrolled:
    """Enrols this host. Nothing is changed on disk unless everything was checked. Raises EnrolmentError."""
    url = check_url(wish.url)
    config = _config_to_be(wish)
    key_dir = Path(config.key_dir)
    if not wish.is_forced:
        _refuse_if_enrolled(config, clock())
    folder = _make_folder(key_dir, wish.config_path)
    try:
        key = certificates.make_key()
        asked_at = clock()
        request = EnrolmentRequest(
            token=str(wish.token),
            csr_pem=certificates.signing_request(key, socket.gethostname()),
            contract_version=CONTRACT_VERSION,
            agent_version=__version__,
            time=dt.datetime.fromtimestamp(asked_at, dt.UTC),
        )
        answer = _ask(url, wish.ca_file, encode(request))
        listen = check_answer(answer, token=wish.token, key=key, host_time=(asked_at + clock()) / 2)
        config = replace(config, listen=str(wish.listen or listen))
        _write(folder, answer, key)
        config.save(wish.config_path)
        _activate(folder, key_dir)
    except OSError as error:
        raise EnrolmentError(f"what Eve answered could not be written: {error}; ask Eve for a new line") from error
    finally:
        _remove_others(key_dir)
    not_after = certificates.load_certificate(answer.certificate_pem).not_valid_after_utc
    return Enrolled(answer.hypervisor_name, config.listen_address, not_after)


def check_url(text: str) -> SplitResult:
    """Eve's address; plain http, which shows the token to the network, for loopback only. Raises EnrolmentError."""
    url = urlsplit(text.strip())
    try:
        is_bad = url.scheme not in ("http", "https") or not url.hostname or (url.port is not None and url.port == 0)
    except ValueError:
        is_bad = True
    if is_bad or url.username is not None or url.query or url.fragment:
        raise EnrolmentError(f"{text!r} is no address of Eve, such as https://eve.example")
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        raise EnrolmentError(
            "plain http would show the token to the network: use https "
            "(http is taken for localhost, 127.0.0.0/8 and ::1 only)"
        )
    return url


def check_answer(
    answer: EnrolmentAnswer, *, token: EnrolmentToken, key: ec.EllipticCurvePrivateKey, host_time: float
) -> Address:
    """Checks all of Eve's answer, its CA first; returns where to listen. `host_time` is in seconds of Unix time.

    Raises:
        EnrolmentError: any of it is not as the token says, or the clocks disagree by more than 60 s.
    """
    now = dt.datetime.fromtimestamp(host_time, dt.UTC)
    try:
        ca = certificates.load_certificate(answer.ca_pem)
        if not secrets.compare_digest(certificates.certificate_fingerprint(ca), token.ca_fingerprint):
            raise EnrolmentError(
                "what answers at that address is not the Eve that made this token (its CA has another fingerprint): "
                "check the address, and whether somebody is in between"
            )
        _check_skew(answer.time, now)
        certificates.check_authority(ca, now)
        certificates.check_agent_certificate(
            certificates.load_certificate(answer.certificate_pem),
            key=key,
            ca=ca,
            dns_name=agent_dns_name(answer.hypervisor_id),
            now=now,
        )
        check_pins(answer.eve_fingerprints)
    except AgentError as error:
        raise EnrolmentError(f"Eve's answer cannot be used: {error}") from error
    try:
        return _listen_address(Address.parse(answer.listen))
    except ValueError as error:
        raise EnrolmentError(f"Eve's answer cannot be used: listen: {error}") from error


def _check_skew(eve_time: dt.datetime, now: dt.datetime) -> None:
    seconds = (now - eve_time).total_seconds()
    if abs(seconds) > MAX_SKEW_SECONDS:
        raise EnrolmentError(
            f"this host's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} Eve's "
            f"(at most {MAX_SKEW_SECONDS} s are taken): set it (timedatectl set-ntp true), then ask Eve for a new line"
        )


def _listen_address(eve_connects_to: Address) -> Address:
    """A loopback address as it is; for any other, all of the host's, since Eve may come by NAT or a name."""
    return eve_connects_to if _is_loopback(eve_connects_to.host) else Address("::", eve_connects_to.port)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _config_to_be(wish: Enrolment) -> Config:
    """The present configuration, so that an enrolment keeps what the operator set, with what was asked for now."""
    try:
        config = Config.load(wish.config_path) if wish.config_path.exists() else Config()
    except ConfigError as error:
        if not wish.is_forced:
            raise EnrolmentError(f"{error}; mend it, or replace it by --force") from error
        config = Config()
    if wish.key_dir is not None:
        config = replace(config, key_dir=str(wish.key_dir.absolute()))
    return config


def _refuse_if_enrolled(config: Config, now: float) -> None:
    try:
        credential = Credential.load(config.identity_dir / "identity.pem")
    except IdentityError:
        return
    ends = credential.certificate.not_valid_after_utc
    if ends.timestamp() > now:
        raise EnrolmentError(
            f"this host is enrolled already (certificate in {config.key_dir}, valid until {ends:%Y-%m-%d}); "
            "--force replaces that enrolment"
        )


def _make_folder(key_dir: Path, config_path: Path) -> Path:
    """A new folder for the identity, and the configuration's; what cannot be written shows before the token goes."""
    try:
        key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        key_dir.chmod(0o700)
        config_path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(config_path.parent, os.W_OK):
            raise PermissionError(f"no permission to write to {config_path.parent}")
        folder = key_dir / f"enrolment-{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise EnrolmentError(f"cannot write: {error}; run this as root, or choose --config and --key-dir") from error
    return folder


def _write(folder: Path, answer: EnrolmentAnswer, key: ec.EllipticCurvePrivateKey) -> None:
    certificate = certificates.load_certificate(answer.certificate_pem)
    ca = certificates.load_certificate(answer.ca_pem)
    files.write_atomically(folder / "identity.pem", credential_pem(key, certificate, ca))
    files.write_atomically(folder / "ca.pem", certificates.certificate_pem(ca))
    files.write_atomically(folder / "pins.json", encode(Pins(eve_fingerprints=check_pins(answer.eve_fingerprints))))


def _activate(folder: Path, key_dir: Path) -> None:
    """Points ``current`` at the new identity, in one step."""
    link = key_dir / f".current-{secrets.token_hex(4)}"
    link.symlink_to(folder.name)
    files.move(link, key_dir / "current")


def _remove_others(key_dir: Path) -> None:
    """Removes identities that are not the current one: those before it, and those of enrolments that failed."""
    with suppress(OSError):
        current = (key_dir / "current").resolve()
        for folder in key_dir.glob("enrolment-*"):
            if folder != current:
                shutil.rmtree(folder, ignore_errors=True)


def _ask(url: SplitResult, ca_file: Path | None, body: bytes) -> EnrolmentAnswer:
    """Posts the request. Raises EnrolmentError for every way in which that may fail."""
    path = url.path.rstrip("/") + paths.ENROL
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        VERSION_HEADER: str(CONTRACT_VERSION),
        "Connection": "close",
    }
    connection = _connection(url, ca_file)
    try:
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        data = response.read(MAX_ANSWER_BYTES + 1)
    except ssl.SSLCertVerificationError as error:
        raise EnrolmentError(_certificate_trouble(url, error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise EnrolmentError(
            f"{url.scheme}://{url.netloc} cannot be reached: {error or type(error).__name__}"
        ) from error
    finally:
        connection.close()
    if len(data) > MAX_ANSWER_BYTES:
        raise EnrolmentError("what answers at that address is not Eve: its answer is too long")
    if response.status not in (200, 201):
        raise EnrolmentError(_refusal(response, data))
    try:
        return decode(EnrolmentAnswer, data)
    except DecodeError as error:
        raise EnrolmentError(f"what answers at that address does not speak as Eve does: {error}") from error


def _connection(url: SplitResult, ca_file: Path | None) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "http":
        return http.client.HTTPConnection(host, url.port or 80, timeout=TIMEOUT_SECONDS)
    context = _client_context(ca_file)
    return http.client.HTTPSConnection(host, url.port or 443, timeout=TIMEOUT_SECONDS, context=context)


def _client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts `ca_file`, or the system's roots where OpenSSL was built to find them, whatever SSL_CERT_FILE says."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca_file is not None:
            context.load_verify_locations(cafile=ca_file)
            return context
        built_in = ssl.get_default_verify_paths()
        for bundle in (built_in.openssl_cafile, *_ROOT_BUNDLES):
            if Path(bundle).is_file():
                context.load_verify_locations(cafile=bundle)
                break
        if Path(built_in.openssl_capath).is_dir():
            context.load_verify_locations(capath=built_in.openssl_capath)
    except (OSError, ssl.SSLError) as error:
        raise EnrolmentError(f"the CA certificates in {ca_file or 'the system'} cannot be read: {error}") from error
    return context


def _certificate_trouble(url: SplitResult, error: ssl.SSLCertVerificationError) -> str:
    text = f"{url.netloc} did not prove to be what it says ({error.verify_message})"
    if error.verify_code in (_NOT_YET_VALID, _EXPIRED):
        return f"{text}; this host's clock says {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S} UTC: is that right?"
    return f"{text}; if Eve's certificate is by a CA of your own, name that by --ca-file"


def _refusal(response: http.client.HTTPResponse, data: bytes) -> str:
    if 300 <= response.status < 400:
        return (
            f"that address answers with a redirect ({response.status}), which is not followed: give Eve's own address"
        )
    detail = ""
    with suppress(ValueError, RecursionError):
        plain = json.loads(data)
        if isinstance(plain, dict) and isinstance(plain.get("detail"), str):
            detail = "".join(char for char in plain["detail"] if char.isprintable())[:_MAX_DETAIL]
    return f"Eve refused: {detail}" if detail else f"Eve refused with status {response.status}"
