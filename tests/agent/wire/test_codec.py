"""Messages to JSON and back: the same, strict about types, lenient about growth."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import enum
import json
import typing
import uuid
from typing import Any

import pytest
from eve_agent.wire import codec
from eve_agent.wire.codec import DecodeError
from eve_agent.wire.console import ConsoleRequest, ConsoleStatus
from eve_agent.wire.domain import Disk, Domain, DomainState, Graphics, GraphicsKind, StateAction, StateChange
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.events import Event, EventKind
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.wire.messages import MESSAGES, messages

ID = "6a1f6b0e-33a5-4f57-9d8b-3f1c7d2f8f10"
DOMAIN: dict[str, Any] = {"uuid": ID, "name": "a", "state": "running", "vcpus": 1, "memory_bytes": 1}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)


def domain(**changes: Any) -> str:
    return json.dumps({**DOMAIN, **changes})


def test_every_module_has_messages():
    assert len(MESSAGES) >= 20
    assert {Domain, Event, Problem, ConsoleStatus} <= set(MESSAGES)


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_there_and_back(cls: type[Any], data: st.DataObject):
    message = data.draw(messages(cls))

    encoded = codec.encode(message)

    assert codec.decode(cls, encoded) == message
    assert codec.decode(cls, encoded.decode()) == message
    assert codec.decode_list(cls, codec.encode([message, message])) == (message, message)


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_a_newer_peers_additions_are_ignored(cls: type[Any], data: st.DataObject):
    message = data.draw(messages(cls))

    def grown(plain: Any) -> Any:
        if isinstance(plain, dict):
            return {**{key: grown(value) for key, value in plain.items()}, "added in version 9": [1]}
        return [grown(item) for item in plain] if isinstance(plain, list) else plain

    assert codec.from_plain(cls, grown(codec.to_plain(message))) == message


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_an_older_peer_may_leave_out_what_has_a_default(cls: type[Any], data: st.DataObject):
    plain = codec.to_plain(data.draw(messages(cls)))
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            del plain[field.name]

    message = codec.from_plain(cls, plain)

    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            assert getattr(message, field.name) == field.default


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
def test_what_has_no_default_is_missed_by_name(cls: type[Any]):
    required = [field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]
    if required:
        with pytest.raises(DecodeError, match=required[0]):
            codec.decode(cls, "{}")


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
@settings(max_examples=40)
@given(plain=JSON, text=st.text())
def test_whatever_comes_is_a_message_or_a_decode_error(cls: type[Any], plain: Any, text: str):
    fields = {field.name: plain for field in dataclasses.fields(cls)}
    for data in (json.dumps(plain), json.dumps(fields), json.dumps([plain]), text, text.encode(errors="replace")):
        with contextlib.suppress(DecodeError):
            codec.encode(codec.decode(cls, data))
        with contextlib.suppress(DecodeError):
            codec.encode(codec.decode_list(cls, data))


@given(st.binary(max_size=40))
def test_whatever_bytes_come(data: bytes):
    with contextlib.suppress(DecodeError):
        codec.decode(StateChange, data)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"vcpus": "1"}, "vcpus"),
        ({"vcpus": True}, "vcpus"),
        ({"vcpus": 1.0}, "vcpus"),
        ({"vcpus": None}, "vcpus"),
        ({"name": 7}, "name"),
        ({"name": None}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"is_persistent": 1}, "is_persistent"),
        ({"is_persistent": "yes"}, "is_persistent"),
        ({"uuid": "no"}, "uuid"),
        ({"uuid": 7}, "uuid"),
        ({"disks": {}}, "disks"),
        ({"disks": None}, "disks"),
        ({"disks": ["vda"]}, r"disks\[0\]"),
        ({"disks": [{"target": "vda"}, {}]}, r"disks\[1\]\.target"),
        ({"graphics": [{"kind": "vnc", "index": "0"}]}, r"graphics\[0\]\.index"),
        ({"graphics": [{"kind": None, "index": 0}]}, r"graphics\[0\]\.kind"),
        ({"state": ["running"]}, "state"),
    ],
)
def test_another_type_is_refused_and_the_field_named(changes: dict[str, Any], field: str):
    with pytest.raises(DecodeError, match=field):
        codec.decode(Domain, domain(**changes))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '"a"', "NaN", '{"a":NaN}', "[" * 100_000, "\xff", '{"a":' + "9" * 5000 + "}"]
)
def test_what_is_no_object_is_refused(text: str):
    with pytest.raises(DecodeError):
        codec.decode(Domain, text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_numbers_that_are_none(number: str):
    status = codec.to_plain(
        ConsoleStatus(
            session=uuid.UUID(ID),
            domain=uuid.UUID(ID),
            mode="view",  # type: ignore[arg-type]
            kind="vnc",  # type: ignore[arg-type]
            opened_at=dt.datetime.now(dt.UTC),
            bytes_to_viewer=1,
            bytes_from_viewer=1,
            idle_seconds=0.5,
        )
    )
    text = json.dumps(status).replace("0.5", number)

    with pytest.raises(DecodeError):
        codec.decode(ConsoleStatus, text)
    assert codec.decode(ConsoleStatus, text.replace(number, "3")).idle_seconds == 3.0
    with pytest.raises(ValueError, match="not JSON compliant"):
        codec.encode({"idle_seconds": float("nan")})


def test_members_that_this_version_does_not_know():
    found = codec.decode(Domain, domain(state="levitating", graphics=[{"kind": "hologram", "index": 0}]))

    assert found.state is DomainState.UNKNOWN
    assert found.graphics == (Graphics(kind=GraphicsKind.UNKNOWN, index=0),)
    assert codec.decode(Event, '{"kind":"domain_sang"}') == Event(EventKind.UNKNOWN)
    assert codec.decode(Problem, '{"code":"tea_time","message":"m"}').code is ErrorCode.UNKNOWN


def test_what_is_asked_for_is_never_guessed():
    with pytest.raises(DecodeError, match="levitate"):
        codec.decode(StateChange, '{"action":"levitate"}')
    with pytest.raises(DecodeError, match="mode"):
        codec.decode(ConsoleRequest, json.dumps({"session": ID, "mode": "admin"}))
    assert codec.decode(StateChange, '{"action":"start"}') == StateChange(StateAction.START)


def test_times_have_a_zone_and_are_told_in_utc():
    @dataclasses.dataclass(frozen=True)
    class Moment:
        at: dt.datetime

    # The annotation is looked up by name, which a class inside a function does not offer.
    Moment.__annotations__["at"] = dt.datetime
    cet = dt.datetime(2026, 7, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))

    assert codec.encode(Moment(cet)) == b'{"at":"2026-07-01T10:00:00Z"}'
    assert codec.decode(Moment, '{"at":"2026-07-01T12:00:00+02:00"}').at == cet
    for text in ("2026-07-01T12:00:00", "yesterday", ""):
        with pytest.raises(DecodeError, match="at"):
            codec.decode(Moment, json.dumps({"at": text}))
    with pytest.raises(DecodeError, match="at"):
        codec.decode(Moment, '{"at":0}')


def test_text_stays_as_it_is():
    name = 'Zoë’s <VM> & "x" \u2028 \U0001f5a5'
    assert codec.decode(Domain, domain(name=name)).name == name
    assert "Zoë’s".encode() in codec.encode(Disk(target="Zoë’s"))


def test_every_field_has_a_type_that_the_codec_knows():
    def known(hint: Any) -> bool:
        if typing.get_origin(hint) is not None:
            return all(known(option) for option in typing.get_args(hint))
        if hint in (str, int, float, bool, type(None), ..., uuid.UUID, dt.datetime):
            return True
        return isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, enum.Enum))

    for cls in MESSAGES:
        for name, hint in typing.get_type_hints(cls).items():
            assert known(hint), f"{cls.__name__}.{name}"


ARRAYS = {
    "[]": 0,
    " [ ] ": 0,
    '[{"target":"vda"}]': 1,
    '\t[ {"target":"vda"} ,\r\n{"target":"vdb"} ]\n': 2,
}
NO_ARRAYS = [
    "",
    " ",
    "[",
    "]",
    "[,]",
    "[{}",
    '[{"target":"a"},]',
    '[{"target":"a"} {"target":"b"}]',
    "[]]",
    "[] x",
    "[}",
    "{}",
    "null",
]


@pytest.mark.parametrize("text", ARRAYS)
def test_a_list_is_read_as_json_has_it(text: str) -> None:
    assert [disk.target for disk in codec.decode_list(Disk, text)] == [item["target"] for item in json.loads(text)]
    assert len(codec.decode_list(Disk, text.encode())) == ARRAYS[text]


@pytest.mark.parametrize("text", NO_ARRAYS)
def test_what_is_no_array_is_no_list(text: str) -> None:
    with pytest.raises(codec.DecodeError):
        codec.decode_list(Disk, text)


def test_a_list_is_written_as_its_items() -> None:
    disks = [Disk(target="vda"), Disk(target="vdb")]
    assert json.loads(codec.encode(disks)) == [codec.to_plain(disk) for disk in disks]
    assert codec.encode(()) == b"[]"


def test_neither_writing_nor_reading_a_long_list_holds_up_other_threads() -> None:
    """json keeps the interpreter for as long as it takes for what it is given at once."""
    longest = 0
    real = json.JSONEncoder.encode

    def measured(self: json.JSONEncoder, value: object) -> str:
        nonlocal longest
        text = real(self, value)
        longest = max(longest, len(text))
        return text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json.JSONEncoder, "encode", measured)
        codec.encode([Disk(target=f"vd{number}") for number in range(1000)])
    assert longest < 1000
