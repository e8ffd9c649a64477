"""Versions, codes, paths, tokens: what both sides read from one declaration."""

from __future__ import annotations

import dataclasses
import enum
import subprocess
import sys
import uuid
from http import HTTPStatus
from pathlib import Path

import eve_agent.wire
import pytest
from eve_agent import errors as agent_errors
from eve_agent.wire import close, paths
from eve_agent.wire.certs import EnrolmentToken, agent_dns_name
from eve_agent.wire.close import RETRYABLE, CloseCode
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.version import CONTRACT_VERSION, is_supported
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.wire.messages import MESSAGES

ID = uuid.UUID("6a1f6b0e-33a5-4f57-9d8b-3f1c7d2f8f10")
PUBLIC, SECRET, FINGERPRINT = "Abcdefgh_-012345", "s" * 43, "0123456789abcdef" * 4
TOKEN = f"eve1.{PUBLIC}.{SECRET}.{FINGERPRINT}"


@pytest.mark.parametrize(("peer", "expected"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_version_apart_is_welcome(peer: int, expected: bool):
    assert is_supported(CONTRACT_VERSION + peer) is expected
    assert is_supported(7 + peer, own_version=7) is expected


def test_the_contract_needs_the_standard_library_only():
    program = (
        "import sys; before = set(sys.modules)\n"
        f"sys.path.insert(0, {str(Path(eve_agent.wire.__file__).parents[2])!r})\n"
        "import eve_agent.wire, importlib, pkgutil\n"
        "for found in pkgutil.iter_modules(eve_agent.wire.__path__): importlib.import_module(f'eve_agent.wire.{found.name}')\n"
        "roots = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(roots - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['eve_agent']"


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
def test_messages_are_frozen_and_described(cls: type):
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")
    assert hasattr(cls, "__slots__")
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_every_error_code_has_an_http_status():
    for code in ErrorCode:
        assert isinstance(code.status, HTTPStatus)
        assert code.status >= 400
    assert {code for code in ErrorCode if code.is_retryable} == {ErrorCode.LIBVIRT_AWAY, ErrorCode.LIBVIRT_TIMEOUT}


def test_every_error_of_the_agent_has_a_code_of_its_own():
    classes = [
        value
        for value in vars(agent_errors).values()
        if isinstance(value, type) and issubclass(value, agent_errors.AgentError)
    ]
    codes = [cls.code for cls in classes]

    assert len(set(codes)) == len(codes) >= 10
    problem = agent_errors.NoDisplay("it is headless").as_problem()
    assert (problem.code, problem.message) == (ErrorCode.NO_DISPLAY, "it is headless")


def test_close_codes_may_be_sent_and_are_all_different():
    assert len(CloseCode) == len(CloseCode.__members__)
    for code in CloseCode:
        assert 1000 <= code <= 1012 or 4000 <= code <= 4999
    assert set(CloseCode) > RETRYABLE
    for final in (CloseCode.NORMAL, CloseCode.ACCESS_ENDED, CloseCode.ENDED_BY_STAFF, CloseCode.VM_GONE):
        assert final not in RETRYABLE


def test_paths_take_their_ids():
    session = uuid.UUID(int=7)
    assert paths.domain_path(paths.DOMAIN_STATE, ID) == f"/libvirt/domains/{ID}/state"
    assert (
        paths.domain_path(paths.DOMAIN_CONSOLE_SESSION, ID, session=session)
        == f"/libvirt/domains/{ID}/console/{session}"
    )
    declared = [value for name, value in vars(paths).items() if name.isupper()]
    assert len(set(declared)) == len(declared)
    assert all(path.startswith("/") for path in declared)


def test_the_agents_name_in_its_certificate():
    name = agent_dns_name(ID)
    assert name == f"{ID}.agent.eve.internal"
    assert all(0 < len(label) <= 63 for label in name.split("."))


def test_an_enrolment_token_is_read_and_written():
    token = EnrolmentToken.parse(f"  {TOKEN}\n")

    assert (token.public, token.secret, token.ca_fingerprint) == (PUBLIC, SECRET, FINGERPRINT)
    assert str(token) == TOKEN
    assert SECRET not in repr(token)
    with pytest.raises(dataclasses.FrozenInstanceError):
        token.secret = "another"  # type: ignore[misc]


@given(
    st.from_regex(r"[A-Za-z0-9_-]{16}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)
def test_any_enrolment_token(public: str, secret: str, ca: str):
    token = EnrolmentToken(public=public, secret=secret, ca_fingerprint=ca)
    assert EnrolmentToken.parse(str(token)) == token


@pytest.mark.parametrize(
    "text",
    [
        "",
        TOKEN[:-1],
        TOKEN + "0",
        TOKEN.replace("eve1", "eve2"),
        TOKEN.replace(".", " "),
        TOKEN.replace(FINGERPRINT, FINGERPRINT.upper()),
        TOKEN.replace("s", "ś"),
        f"{TOKEN} {TOKEN}",
        f"eve-agent enrol https://eve --token {TOKEN}",
        f"eve1.{PUBLIC}.{SECRET}",
    ],
)
def test_what_is_no_enrolment_token(text: str):
    with pytest.raises(ValueError, match="copy the whole line") as caught:
        EnrolmentToken.parse(text)
    assert SECRET not in str(caught.value)


@given(st.text())
def test_any_text_is_a_token_or_none(text: str):
    with pytest.raises(ValueError, match="no enrolment token"):
        EnrolmentToken.parse(text)


def test_members_are_spelled_as_they_are_sent():
    for module in (close, *(sys.modules[cls.__module__] for cls in MESSAGES)):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, enum.StrEnum):
                assert all(member.value == name.lower() for name, member in value.__members__.items())
