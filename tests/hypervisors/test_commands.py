"""Eve's commands about CA and hypervisors."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hypervisors import pki
from hypervisors.castore import CaStore
from hypervisors.models import Hypervisor, HypervisorState, Site
from tests.hypervisors.peers import make_leaf, pin
from tests.hypervisors.test_pki import request as signing_request

pytestmark = pytest.mark.django_db


def run(*args: str, **options: Any) -> str:
    """What a command says."""
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def add(*more: str, address: str = "127.0.0.1:8443") -> dict[str, str]:
    answer: dict[str, str] = json.loads(
        run("hypervisor_add", "hv9", "--address", address, "--site", "local", "--json", *more)
    )
    return answer


def test_ca_init_says_the_same_twice(settings, tmp_path: Path):
    settings.CA_DIR = tmp_path / "ca"
    first = run("ca_init")
    second = run("ca_init")
    assert "Made" in first
    assert "Made" not in second
    assert first.split()[-1] == second.split()[-1]


def test_ca_show(ca: CaStore):
    shown = json.loads(run("ca_show", "--json"))
    assert shown["ca"]["fingerprint"] == ca.authority().fingerprint
    assert shown["eve"]["fingerprint"] == ca.current().fingerprint
    assert ca.authority().fingerprint in run("ca_show")
    assert pki.load_certificate(run("ca_show", "--pem")) == ca.authority().certificate


def test_ca_show_without_a_ca(settings, tmp_path: Path):
    settings.CA_DIR = tmp_path / "none"
    with pytest.raises(CommandError, match="ca_init"):
        run("ca_show")


def test_sign_verify_revoke_by_hand(ca: CaStore, tmp_path: Path):
    csr, certificate = tmp_path / "csr.pem", tmp_path / "cert.pem"
    csr.write_text(signing_request())
    certificate.write_text(run("ca_sign", str(csr), "--name", "www.example.org"))
    assert "Good until" in run("ca_verify", str(certificate))
    serial = pki.serial_text(pki.load_certificate(certificate.read_text()))
    assert serial in run("ca_revoke", serial, "--reason", "lost")
    with pytest.raises(CommandError, match=r"Revoked on .* lost"):
        run("ca_verify", str(certificate))
    for bad in ("nowhere.pem", str(csr)):
        with pytest.raises(CommandError):
            run("ca_verify", bad)
    with pytest.raises(CommandError, match="No certificate"):
        run("ca_revoke", "1234")


@pytest.mark.parametrize(("redis_url", "is_said"), [("", True), ("redis://redis.example", False)])
def test_ca_revoke_says_when_a_running_eve_learns_of_it(redis_url, is_said, ca: CaStore, settings, tmp_path: Path):
    settings.REDIS_URL = redis_url
    settings.CONSOLE_RECHECK_SECONDS = 17
    csr = tmp_path / "csr.pem"
    csr.write_text(signing_request())
    certificate = pki.load_certificate(run("ca_sign", str(csr), "--name", "www.example.org"))
    assert ("within 17 seconds" in run("ca_revoke", pki.serial_text(certificate))) is is_said


def test_a_strangers_certificate_does_not_verify(ca: CaStore, hypervisor: Hypervisor, tmp_path: Path):
    from django.utils import timezone

    path = tmp_path / "cert.pem"
    path.write_text(pki.certificate_pem(make_leaf(pki.new_authority(now=timezone.now()), hypervisor).certificate))
    with pytest.raises(CommandError, match="not signed by Eve's CA"):
        run("ca_verify", str(path))


def test_ca_renew(ca: CaStore):
    former = ca.current().fingerprint
    assert "from now on" in run("ca_renew")  # there is no host that has to be told
    assert ca.current().fingerprint != former


def test_hypervisor_add_is_harmless_when_repeated(ca: CaStore, hypervisor: Hypervisor):
    first = add()
    assert first["state"] == "new"
    assert first["enrolment_line"].endswith(first["token"])
    second = add()
    assert second["id"] == first["id"]
    assert second["token"] not in ("", first["token"])
    row = Hypervisor.objects.get(pk=first["id"])
    pin(row, make_leaf(ca.authority(), row), 8443)
    third = add()
    assert (third["token"], third["enrolment_line"]) == ("", "")
    assert add("--re-enrol")["token"]
    assert "enrolled already" in run("hypervisor_add", "hv9", "--address", "127.0.0.1:8443", "--site", "local")


def test_hypervisor_add_follows_a_new_address_and_keeps_the_pin(ca: CaStore):
    row = Hypervisor.objects.get(pk=add()["id"])
    pin(row, make_leaf(ca.authority(), row), 8443)
    add(address="[::1]:9000")
    pinned = row.certificate_fingerprint
    row.refresh_from_db()
    assert (row.address, row.certificate_fingerprint) == ("[::1]:9000", pinned)


@pytest.mark.parametrize(("name", "address"), [("hv9", "nonsense:x"), ("HV 9", "127.0.0.1:1")])
def test_hypervisor_add_refuses_in_words(name, address, ca: CaStore):
    with pytest.raises(CommandError) as caught:
        run("hypervisor_add", name, "--address", address, "--site", "local")
    assert "address" in str(caught.value) or "name" in str(caught.value)
    assert not Hypervisor.objects.exists()
    assert not Site.objects.exists()


def test_hypervisor_add_says_that_it_made_a_site(ca: CaStore):
    words = ("hypervisor_add", "hv9", "--address", "127.0.0.1:8443", "--site", "south")
    assert "There was no site south: it was made." in run(*words)
    assert "There was no site" not in run(*words)


def test_hypervisor_wait(hypervisor: Hypervisor):
    with pytest.raises(CommandError, match="no hypervisor"):
        run("hypervisor_wait", "nobody", "--seconds", "0")
    with pytest.raises(CommandError, match="Run its enrolment line"):
        run("hypervisor_wait", "hv1", "--seconds", "0.2")
    Hypervisor.objects.update(state=HypervisorState.OFFLINE, state_reason="Nothing listens there.")
    with pytest.raises(CommandError, match=r"away\. Nothing listens there"):
        run("hypervisor_wait", "hv1", "--seconds", "0.2")
    Hypervisor.objects.update(state=HypervisorState.ONLINE)
    assert "online" in run("hypervisor_wait", "hv1", "--seconds", "1")
