"""What agents refuse with is told in Eve's words; their own are for staff."""

from __future__ import annotations

import json
import uuid

import pytest
from django.utils import translation
from eve_agent.wire.errors import ErrorCode

from common.problems import from_error
from hypervisors.client import AgentClient
from hypervisors.errors import AgentRefused, BadAnswer, LibvirtAway
from hypervisors.models import Hypervisor
from hypervisors.refusals import refusal_words
from tests.hypervisors.conftest import Serve
from tests.hypervisors.peers import answering, http

CANARY = "error: /srv/pool/canary.qcow2 of another customer"
UNKNOWN = refusal_words(ErrorCode.UNKNOWN)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("code", ErrorCode)
def test_each_code_of_the_contract_has_a_sentence(code):
    words = str(refusal_words(code))
    assert words.endswith(".")
    assert (words == UNKNOWN) == (code is ErrorCode.UNKNOWN)


@pytest.mark.parametrize("code", [*(code.value for code in ErrorCode), "from_the_future"])
def test_no_answer_of_an_agents_is_handed_on_in_its_words(code, hypervisor: Hypervisor, serve: Serve):
    body = json.dumps({"code": code, "message": CANARY}).encode()
    serve(answering(http(body, status="409 Conflict")))
    with pytest.raises(Exception) as caught, AgentClient(hypervisor) as client:  # noqa: PT011  (of any class)
        client.domain(uuid.uuid4())
    assert "canary" not in json.dumps(from_error(caught.value))
    if code != ErrorCode.CONTRACT_UNSUPPORTED:
        assert CANARY in caught.value.for_staff
        assert CANARY in str(caught.value), "logs have it"


def test_an_answer_that_makes_no_sense_neither(hypervisor: Hypervisor, serve: Serve):
    serve(answering(http(b'{"canary": 1}')))
    with pytest.raises(BadAnswer) as caught, AgentClient(hypervisor) as client:
        client.domain(uuid.uuid4())
    assert str(caught.value.detail) == BadAnswer.meaning
    assert caught.value.for_staff.startswith("The answer of hv1 is not understood (")


def test_the_sentence_is_in_the_readers_language(monkeypatch):
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"[{text}]")
    refused = AgentRefused("off", agent_code=ErrorCode.DOMAIN_OFF)
    assert from_error(refused)["detail"].startswith("[")


def test_libvirt_away_says_what_to_do(hypervisor: Hypervisor, serve: Serve):
    body = json.dumps({"code": "libvirt_away", "message": CANARY}).encode()
    serve(answering(http(body, status="503 Service Unavailable")))
    with pytest.raises(LibvirtAway, match="systemctl status libvirtd"), AgentClient(hypervisor) as client:
        client.domain(uuid.uuid4())
