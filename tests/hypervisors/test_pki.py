"""What Eve's CA signs, and what it does not; its files."""

from __future__ import annotations

import datetime as dt
import os
import stat
import subprocess
import sys
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.utils import timezone

from hypervisors import pki
from hypervisors.castore import CaStore
from hypervisors.errors import AuthorityError, CertificateRefused
from hypervisors.models import Certificate, CertificateUsage
from hypervisors.services import ca_ensure, certificate_revoke, certificate_sign_by_hand

ID = uuid.UUID("7c1f2a52-6f0a-4b6e-9d2b-0d8a5a8f4e11")


def request(key=None, *extensions: x509.ExtensionType, name: str = "anything") -> str:
    """A signing request."""
    key = key or pki.new_key()
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


def signed(authority: pki.Authority, *, now: dt.datetime | None = None, **changes) -> x509.Certificate:
    wish = {
        "common_name": "hv1",
        "dns_names": pki.agent_names(ID, "hv1"),
        "usage": pki.Usage.SERVER,
        "life": pki.AGENT_LIFE,
    }
    return pki.sign(authority, pki.new_key().public_key(), now=now or timezone.now(), **{**wish, **changes})


def test_an_agents_certificate_is_for_one_host_one_use_and_ninety_days():
    now = timezone.now().replace(microsecond=0)
    authority = pki.new_authority(now=now)
    certificate = signed(authority, now=now)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName(f"{ID}.agent.eve.internal"), x509.DNSName("hv1")]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, False)
    assert certificate.not_valid_before_utc == now - dt.timedelta(minutes=1)
    assert certificate.not_valid_after_utc == now + dt.timedelta(days=90)
    pki.check_certificate(certificate, authority, now=now)


def test_the_ca_lives_ten_years_and_signs_no_ca():
    now = timezone.now()
    authority = pki.new_authority(now=now)
    assert (authority.certificate.not_valid_after_utc - now).days in (3651, 3652)
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert isinstance(authority.certificate.public_key(), ec.EllipticCurvePublicKey)


def test_no_certificate_outlives_the_ca():
    then = timezone.now() - pki.CA_LIFE + dt.timedelta(days=10)
    authority = pki.new_authority(now=then)
    assert signed(authority).not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_serials_are_random():
    authority = pki.new_authority(now=timezone.now())
    serials = [signed(authority).serial_number for _each in range(50)]
    assert len(set(serials)) == 50
    assert max(serials) > 2**120


def test_a_serial_is_understood_however_it_is_written():
    certificate = signed(pki.new_authority(now=timezone.now()))
    text = pki.serial_text(certificate)
    assert pki.serial_from_text(":".join(text[i : i + 2] for i in range(0, 32, 2)).upper()) == text
    assert pki.serial_from_text(f"0x{certificate.serial_number:x}") == text
    for nonsense in ("", "xyz", "1" * 41, "12 34"):
        with pytest.raises(CertificateRefused):
            pki.serial_from_text(nonsense)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
def test_a_request_gives_its_key_and_nothing_else(curve):
    key = ec.generate_private_key(curve)
    names = ("hv1",)
    found = pki.read_signing_request(request(key, name="evil.example.org"), allowed_names=names)
    assert found.public_numbers() == key.public_key().public_numbers()
    own = x509.SubjectAlternativeName([x509.DNSName("hv1")])
    pki.read_signing_request(request(key, own), allowed_names=names)


def tampered() -> str:
    """A request whose key was exchanged after it was signed."""
    first, second = pki.new_key(), pki.new_key()
    der = x509.load_pem_x509_csr(request(first).encode()).public_bytes(serialization.Encoding.DER)
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    forged = der.replace(first.public_key().public_bytes(*form), second.public_key().public_bytes(*form))
    return x509.load_der_x509_csr(forged).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("csr", "why"),
    [
        (lambda: "", "no PEM signing request"),
        (lambda: "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "no PEM signing"),
        (lambda: "ä" * 10, "no PEM signing request"),
        (lambda: "x" * 20_000, "too long"),
        (tampered, "not signed by the key"),
        (lambda: request(rsa.generate_private_key(public_exponent=65537, key_size=2048)), "P-256 or P-384"),
        (lambda: request(ed25519.Ed25519PrivateKey.generate()), "P-256 or P-384"),
        (lambda: request(ec.generate_private_key(ec.SECP521R1())), "P-256 or P-384"),
        (lambda: request(ec.generate_private_key(ec.SECP256K1())), "P-256 or P-384"),
        (lambda: request(None, x509.BasicConstraints(ca=True, path_length=None)), "asks to be a CA"),
        (lambda: request(None, x509.SubjectAlternativeName([x509.DNSName("hv2")])), "not this host's"),
        (lambda: request(None, x509.SubjectAlternativeName([x509.RFC822Name("a@b.example")])), "not this host's"),
    ],
)
def test_requests_that_are_refused(csr, why):
    with pytest.raises(CertificateRefused, match=why):
        pki.read_signing_request(csr(), allowed_names=("hv1",))


def test_keys_are_readable_by_eve_only_and_not_in_the_database(ca: CaStore):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in ca.folder.iterdir()}
    assert modes["ca.key"] == modes["eve.pem"] == 0o600
    assert stat.S_IMODE(ca.folder.stat().st_mode) == 0o700
    assert "PRIVATE" not in repr(list(Certificate.objects.values()))
    assert "PRIVATE" not in repr(ca.authority())
    row = Certificate.objects.get()
    assert (row.usage, row.fingerprint) == (CertificateUsage.EVE, ca.current().fingerprint)


def test_eves_own_certificate_is_for_calling_only_and_one_year(ca: CaStore):
    certificate = ca.current().certificate
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 365


MAKE = """
import datetime, pathlib, sys
from hypervisors.castore import CaStore
store = CaStore(pathlib.Path(sys.argv[1]))
sys.stdin.read()
print(store.make(now=datetime.datetime.now(datetime.UTC)), store.authority().fingerprint, store.current().fingerprint)
"""


def test_many_processes_that_start_at_once_make_one_ca(tmp_path):
    command = [sys.executable, "-c", MAKE, str(tmp_path / "ca")]
    running = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _each in range(8)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.close()  # all are ready by then, or soon
        process.stdin = None
    made = [process.communicate()[0].split() for process in running]
    assert all(process.returncode == 0 for process in running)
    assert sorted(is_new for is_new, _ca, _eve in made) == ["False"] * 7 + ["True"]
    assert len({(ca, eve) for _is_new, ca, eve in made}) == 1


@pytest.mark.parametrize("lost", ["ca.crt", "eve.pem"])
def test_a_crash_while_the_ca_is_made_is_made_good(lost, tmp_path):
    store = CaStore(tmp_path / "ca")
    store.make(now=timezone.now())
    (store.folder / lost).unlink()
    CaStore(store.folder).make(now=timezone.now())
    authority = CaStore(store.folder).authority()
    pki.check_certificate(store.current().certificate, authority, now=timezone.now())


@pytest.mark.parametrize(
    ("name", "content"), [("ca.crt", "nonsense"), ("ca.key", "nonsense"), ("ca.key", ""), ("eve.pem", "nonsense")]
)
def test_a_damaged_file_is_named(name, content, ca: CaStore):
    (ca.folder / name).write_text(content)
    read = CaStore(ca.folder).current if name == "eve.pem" else CaStore(ca.folder).authority
    with pytest.raises(AuthorityError, match=r"cannot be used.*backup"):
        read()


def test_a_ca_that_was_lost_is_not_replaced_in_silence(ca: CaStore):
    for path in ca.folder.iterdir():
        path.unlink()
    with pytest.raises(AuthorityError, match="backup"):
        ca_ensure()
    before = ca.folder
    assert ca_ensure(replace_lost=True).folder == before


def test_a_folder_that_cannot_be_written_is_named(settings, tmp_path, db):
    (tmp_path / "file").write_text("")
    settings.CA_DIR = tmp_path / "file" / "ca"
    with pytest.raises(AuthorityError, match="cannot be written"):
        ca_ensure()


def test_signing_by_hand(ca: CaStore):
    certificate = certificate_sign_by_hand(
        csr_pem=request(), names=["www.example.org"], usage=pki.Usage.SERVER, days=30
    )
    pki.check_certificate(certificate, ca.authority(), now=timezone.now())
    row = Certificate.objects.get(serial=pki.serial_text(certificate))
    assert row.usage == CertificateUsage.MANUAL
    for names in ([], [f"{ID}.agent.eve.internal"], ["*.example.org"]):
        with pytest.raises(CertificateRefused):
            certificate_sign_by_hand(csr_pem=request(), names=names, usage=pki.Usage.SERVER, days=30)


def test_revoking_twice_is_no_fault_and_the_unknown_is_named(ca: CaStore):
    certificate = certificate_sign_by_hand(csr_pem=request(), names=["a.example"], usage=pki.Usage.SERVER, days=1)
    serial = pki.serial_text(certificate)
    first = certificate_revoke(serial=serial, reason="lost")
    assert certificate_revoke(serial=serial, reason="again").revoked_at == first.revoked_at
    with pytest.raises(CertificateRefused, match="No certificate"):
        certificate_revoke(serial="1234")


def test_eves_own_certificate_is_not_revoked_while_it_is_used(ca: CaStore):
    with pytest.raises(Exception, match="ca_renew"):
        certificate_revoke(serial=pki.serial_text(ca.current().certificate))
