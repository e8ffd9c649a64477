"""How a host becomes a hypervisor, and who does not."""

from __future__ import annotations

import datetime as dt
import json
import threading
from typing import Any

import pytest
from cryptography import x509
from django.db import connection
from django.test import Client
from django.utils import timezone
from eve_agent.wire import codec, paths
from eve_agent.wire.certs import EnrolmentAnswer, EnrolmentToken

from accounts.models import AuditEvent
from hypervisors import pki
from hypervisors.castore import CaStore
from hypervisors.models import Certificate, Hypervisor, HypervisorState
from hypervisors.services import ca_ensure, certificate_revoke, enrolment_line, enrolment_token_create
from hypervisors.signals import hypervisor_removed, hypervisor_state_changed
from hypervisors.tls import agent_tls
from tests.hypervisors.test_pki import request as signing_request


def wish(token: str, **changes: Any) -> dict[str, Any]:
    """A host's request."""
    return {
        "token": token,
        "csr_pem": signing_request(),
        "contract_version": 1,
        "agent_version": "0.1.0",
        "time": timezone.now().isoformat(),
        **changes,
    }


def enrol(body: Any) -> Any:
    """POSTs as a host does."""
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    return Client().post(paths.ENROL, data=data, content_type="application/json")


@pytest.fixture
def token(hypervisor: Hypervisor) -> str:
    return enrolment_token_create(hypervisor=hypervisor)[0]


def test_a_host_gets_a_certificate_in_its_own_name_only(ca: CaStore, hypervisor, token):
    key = pki.new_key()
    response = enrol(wish(token, csr_pem=signing_request(key, name="evil.example.org")))
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "no-store"
    answer = codec.decode(EnrolmentAnswer, response.content)
    certificate = x509.load_pem_x509_certificate(answer.certificate_pem.encode())
    assert pki.has_key(certificate, key)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(pki.agent_names(hypervisor.pk, "hv1"))
    assert certificate.subject.rfc4514_string() == "CN=hv1"
    assert pki.fingerprint(pki.load_certificate(answer.ca_pem)) == EnrolmentToken.parse(token).ca_fingerprint
    assert answer.eve_fingerprints == (ca.current().fingerprint,)
    assert answer.listen == hypervisor.address
    hypervisor.refresh_from_db()
    assert hypervisor.certificate_fingerprint == pki.fingerprint(certificate)
    assert hypervisor.state == HypervisorState.OFFLINE
    assert hypervisor.enrolled_at is not None
    assert agent_tls(hypervisor).pins == {pki.fingerprint(certificate)}


def test_the_secret_is_kept_nowhere(hypervisor, token):
    enrol(wish(token))
    secret = EnrolmentToken.parse(token).secret
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            assert secret not in repr(cursor.fetchall()), table


def test_the_line_is_whole():
    assert enrolment_line("eve1.x") == "eve-agent enrol http://127.0.0.1:8000 --token eve1.x"


def refused(body: Any, status: int, code: str, words: str) -> dict[str, Any]:
    response = enrol(body)
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert words in problem["detail"]
    return problem


def test_a_token_works_once(hypervisor, token):
    assert enrol(wish(token)).status_code == 200
    first = Hypervisor.objects.get(pk=hypervisor.pk).certificate_fingerprint
    refused(wish(token), 403, "enrolment_refused", "used already")
    assert Hypervisor.objects.get(pk=hypervisor.pk).certificate_fingerprint == first


@pytest.mark.usefixtures("redis_away")
def test_a_host_enrols_while_redis_is_away(hypervisor, token):
    assert enrol(wish(token)).status_code == 200
    refused(wish(token), 403, "enrolment_refused", "used already")


def made(hypervisor, ago: dt.timedelta) -> None:
    """Moves the only token's making back in time."""
    row = hypervisor.enrolment_tokens.get()
    life = row.expires_at - row.created_at
    hypervisor.enrolment_tokens.update(created_at=timezone.now() - ago, expires_at=timezone.now() - ago + life)


def test_an_expired_token(hypervisor, token):
    made(hypervisor, dt.timedelta(hours=1, seconds=1))
    refused(wish(token), 403, "enrolment_refused", "expired")


def test_a_token_is_good_for_an_hour(hypervisor, token):
    made(hypervisor, dt.timedelta(minutes=59))
    assert enrol(wish(token)).status_code == 200


def test_a_newer_line_ends_the_earlier(hypervisor, token):
    newer, _row = enrolment_token_create(hypervisor=hypervisor)
    refused(wish(token), 403, "enrolment_refused", "newer line")
    assert enrol(wish(newer)).status_code == 200


def test_revoking_the_host_ends_its_line(hypervisor, token):
    assert enrol(wish(token)).status_code == 200
    waiting, _row = enrolment_token_create(hypervisor=hypervisor)
    hypervisor.refresh_from_db()
    certificate_revoke(serial=hypervisor.certificate_serial)
    refused(wish(waiting), 403, "enrolment_refused", "withdrawn")


def test_unknown_and_wrong_secrets_look_the_same(hypervisor, token):
    parsed = EnrolmentToken.parse(token)
    wrong = EnrolmentToken(parsed.public, "A" * 43, parsed.ca_fingerprint)
    unknown = EnrolmentToken("A" * 16, parsed.secret, parsed.ca_fingerprint)
    first = refused(wish(str(wrong)), 403, "enrolment_refused", "does not know this token")
    second = refused(wish(str(unknown)), 403, "enrolment_refused", "does not know this token")
    assert first["detail"] == second["detail"]
    refused(wish("eve1.nonsense"), 403, "enrolment_refused", "no enrolment token")
    assert enrol(wish(token)).status_code == 200


def test_a_line_of_another_ca(hypervisor, token):
    parsed = EnrolmentToken.parse(token)
    other = EnrolmentToken(parsed.public, parsed.secret, "0" * 64)
    refused(wish(str(other)), 403, "enrolment_refused", "another Eve")


@pytest.mark.parametrize("seconds", [-61, 61, 86400])
def test_clock_skew_is_named_and_costs_no_token(seconds, hypervisor, token):
    off = timezone.now() + dt.timedelta(seconds=seconds)
    refused(wish(token, time=off.isoformat()), 403, "clock_skew", "clock is")
    assert enrol(wish(token)).status_code == 200


def test_a_bad_request_costs_no_token(hypervisor, token):
    evil = x509.SubjectAlternativeName([x509.DNSName("hv2")])
    refused(wish(token, csr_pem=signing_request(None, evil)), 400, "certificate_refused", "not this host's")
    ca_wish = x509.BasicConstraints(ca=True, path_length=None)
    refused(wish(token, csr_pem=signing_request(None, ca_wish)), 400, "certificate_refused", "CA")
    refused(wish(token, csr_pem="x"), 400, "certificate_refused", "PEM")
    refused(wish(token, contract_version=9), 503, "contract_unsupported", "version 9")
    assert enrol(wish(token)).status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"token": 1}', b"[" * 5000])
def test_nonsense_is_refused(body, hypervisor):
    response = enrol(body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_long_bodies_are_refused(hypervisor, token):
    refused(wish(token, agent_version="x" * 70_000), 413, "body_too_large", "64 KiB")


def test_only_post(db):
    assert Client().get(paths.ENROL).status_code == 405


def test_attempts_are_limited_by_the_address_that_eve_sees(hypervisor, token):
    for number in range(60):
        Client().post(
            paths.ENROL, data=b"{}", content_type="application/json", headers={"X-Forwarded-For": f"192.0.2.{number}"}
        )
    limited = Client().post(
        paths.ENROL,
        data=json.dumps(wish(token)),
        content_type="application/json",
        headers={"X-Forwarded-For": "192.0.2.99"},
    )
    assert limited.status_code == 429
    assert (
        Client(REMOTE_ADDR="198.51.100.9")
        .post(paths.ENROL, data=json.dumps(wish(token)), content_type="application/json")
        .status_code
        == 200
    )


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_exactly_one_enrols(hypervisor, token):
    statuses: list[int] = []
    barrier = threading.Barrier(12)

    def run() -> None:
        body = wish(token)
        barrier.wait()
        try:
            statuses.append(enrol(body).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _each in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [403] * 11
    assert Certificate.objects.filter(hypervisor=hypervisor, revoked_at__isnull=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_new_enrolment_replaces_the_pin_and_cuts_the_old(hypervisor, token):
    enrol(wish(token))
    first = Hypervisor.objects.get(pk=hypervisor.pk)
    told: list[tuple[str, Any]] = []

    def removed(*, hypervisor_id: Any, reason: str, **_: Any) -> None:
        told.append((reason, hypervisor_id))

    def changed(*, state: str, **_: Any) -> None:
        told.append(("state", state))

    hypervisor_removed.connect(removed)
    hypervisor_state_changed.connect(changed)
    try:
        again, _row = enrolment_token_create(hypervisor=hypervisor)
        assert enrol(wish(again)).status_code == 200
    finally:
        hypervisor_removed.disconnect(removed)
        hypervisor_state_changed.disconnect(changed)
    second = Hypervisor.objects.get(pk=hypervisor.pk)
    assert second.certificate_fingerprint != first.certificate_fingerprint
    assert Certificate.objects.get(fingerprint=first.certificate_fingerprint).revoked_at is not None
    assert ("enrolled", hypervisor.pk) in told
    assert ("state", "offline") in told


def test_a_revoked_host_comes_back_by_a_new_line_only(hypervisor, token):
    enrol(wish(token))
    hypervisor.refresh_from_db()
    certificate_revoke(serial=hypervisor.certificate_serial)
    hypervisor.refresh_from_db()
    assert (hypervisor.state, hypervisor.certificate_fingerprint) == (HypervisorState.REVOKED, "")
    again, _row = enrolment_token_create(hypervisor=hypervisor)
    assert enrol(wish(again)).status_code == 200
    hypervisor.refresh_from_db()
    assert hypervisor.state == HypervisorState.OFFLINE


def test_a_replaced_ca_shuts_all_out_until_they_enrol_again(ca: CaStore, hypervisor, token):
    enrol(wish(token))
    former = ca.authority().fingerprint
    for path in ca.folder.iterdir():
        path.unlink()
    replaced = ca_ensure(replace_lost=True)
    assert replaced.authority().fingerprint != former
    hypervisor.refresh_from_db()
    assert hypervisor.state == HypervisorState.REVOKED
    assert "another certificate authority" in hypervisor.state_reason
    again, _row = enrolment_token_create(hypervisor=hypervisor)
    answer = codec.decode(EnrolmentAnswer, enrol(wish(again)).content)
    assert pki.fingerprint(pki.load_certificate(answer.ca_pem)) == replaced.authority().fingerprint
    assert answer.eve_fingerprints[0] == replaced.current().fingerprint


def test_it_is_written_down_who_enrolled_and_who_was_refused(hypervisor, token):
    enrol(wish("eve1.nonsense"))
    enrol(wish(token))
    events = list(AuditEvent.objects.filter(action="hypervisor.enrol").order_by("at"))
    assert [event.outcome for event in events] == ["denied", "success"]
    assert events[1].target_id == str(hypervisor.pk)
    assert all(event.address == "127.0.0.1" for event in events)
    assert EnrolmentToken.parse(token).secret not in repr([event.detail for event in events])


def test_agent_names_itself_with_its_present_name(hypervisor, token):
    Hypervisor.objects.filter(pk=hypervisor.pk).update(name="renamed")
    answer = codec.decode(EnrolmentAnswer, enrol(wish(token)).content)
    assert answer.hypervisor_name == "renamed"
