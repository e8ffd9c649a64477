"""Dataclasses to JSON and back.

Decoding is strict about types (a string is no number, ``true`` is no integer, ``NaN`` is no JSON, and a
string holds neither NUL nor half a surrogate pair, which no database or encoder would take) and lenient
about growth: unknown keys are ignored, absent keys take the field's default, and an unknown member of
an enumeration becomes its ``UNKNOWN`` member where it has one.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import json
import math
import re
import types
import typing
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_SPACE = re.compile(r"[ \t\n\r]*")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class DecodeError(ValueError):
    """The bytes are no valid message of the contract; the text names the field."""


def encode(message: Any) -> bytes:
    """The message (a dataclass, or a list or tuple of them) as UTF-8 JSON.

    A list is written item by item: :mod:`json` lets no other thread run while it writes.
    """
    if isinstance(message, list | tuple):
        return b"[" + b",".join(encode(item) for item in message) + b"]"
    return json.dumps(to_plain(message), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def decode(cls: type[T], data: bytes | str) -> T:
    """The message of type `cls` in `data`.

    Raises:
        DecodeError: `data` is no JSON, or a field is missing or has another type.
    """
    return from_plain(cls, _parse(data))


def decode_list(cls: type[T], data: bytes | str) -> tuple[T, ...]:
    """The messages in `data`, a JSON array. Raises :class:`DecodeError` as :func:`decode`.

    It is read item by item: :mod:`json` lets no other thread run while it reads.
    """
    return tuple(from_plain(cls, item, where=f"[{index}]") for index, item in enumerate(_items(data)))


def to_plain(value: Any) -> Any:
    """`value` as what :mod:`json` writes: dicts, lists, strings, numbers, booleans and ``None``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(cls: type[T], plain: Any, *, where: str = "") -> T:
    """The dataclass `cls` made of `plain`. Raises :class:`DecodeError` naming the field in `where`."""
    if not isinstance(plain, Mapping):
        raise DecodeError(f"{where or cls.__name__}: expected an object")
    values: dict[str, Any] = {}
    for field, hint in _fields(cls):  # type: ignore[arg-type]  # every class is hashable; the checker asks T for it
        place = f"{where}.{field.name}" if where else field.name
        if field.name in plain:
            values[field.name] = _value(hint, plain[field.name], place)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise DecodeError(f"{place}: missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise DecodeError(f"{where or cls.__name__}: {error}") from error


def _parse(data: bytes | str) -> Any:
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"no JSON: {error}") from error


def _items(data: bytes | str) -> Iterator[Any]:
    """The elements of a JSON array (RFC 8259, 5), each parsed when its turn comes."""
    try:
        text = data if isinstance(data, str) else data.decode()
        position = _skip_space(text, 0)
        if not text.startswith("[", position):
            raise DecodeError("expected an array")
        position = _skip_space(text, position + 1)
        if not text.startswith("]", position):
            while True:
                item, position = _DECODER.raw_decode(text, position)
                yield item
                position = _skip_space(text, position)
                if not text.startswith(",", position):
                    break
                position = _skip_space(text, position + 1)
        if not text.startswith("]", position) or _skip_space(text, position + 1) != len(text):
            raise DecodeError(f"no JSON: the array does not end as one at character {position}")
    except DecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"no JSON: {error}") from error


def _skip_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space is not None else position


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


@functools.cache
def _fields(cls: type) -> tuple[tuple[dataclasses.Field[Any], Any], ...]:
    hints = typing.get_type_hints(cls)
    return tuple((field, hints[field.name]) for field in dataclasses.fields(cls))


def _value(hint: Any, plain: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        if plain is None and len(options) < len(typing.get_args(hint)):
            return None
        return _value(options[0], plain, where)
    if origin is tuple:
        if not isinstance(plain, list):
            raise DecodeError(f"{where}: expected an array")
        item_hint = typing.get_args(hint)[0]
        return tuple(_value(item_hint, item, f"{where}[{index}]") for index, item in enumerate(plain))
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(type, hint), plain, where=where)
    return _scalar(hint, plain, where)


def _scalar(hint: Any, plain: Any, where: str) -> Any:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _member(hint, plain, where)
    if hint in (uuid.UUID, dt.datetime):
        return _from_text(hint, plain, where)
    if hint is float and type(plain) in (int, float):
        return _finite(plain, where)
    if type(plain) is not hint:
        raise DecodeError(f"{where}: expected {hint.__name__}, got {type(plain).__name__}")
    if hint is str and _NO_TEXT.search(plain):
        raise DecodeError(f"{where}: a character that is no text")
    return plain


def _finite(plain: int | float, where: str) -> float:
    try:
        value = float(plain)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise DecodeError(f"{where}: too large")
    return value


def _member(hint: type[enum.Enum], plain: Any, where: str) -> enum.Enum:
    try:
        return hint(plain)
    except ValueError:
        if isinstance(plain, str) and "UNKNOWN" in hint.__members__:
            return hint["UNKNOWN"]
        raise DecodeError(f"{where}: {plain!r} is no {hint.__name__}") from None


def _from_text(hint: Any, plain: Any, where: str) -> Any:
    if not isinstance(plain, str):
        raise DecodeError(f"{where}: expected a string")
    try:
        if hint is uuid.UUID:
            return uuid.UUID(plain)
        moment = dt.datetime.fromisoformat(plain)
    except ValueError as error:
        raise DecodeError(f"{where}: {error}") from error
    if moment.tzinfo is None:
        raise DecodeError(f"{where}: a time without its zone")
    return moment
