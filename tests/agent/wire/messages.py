"""Hypothesis strategies for every message of the contract."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import types
import typing
from typing import Any

from eve_agent.wire import certs, console, domain, errors, events, host
from hypothesis import strategies as st

MODULES = (certs, console, domain, errors, events, host)
MESSAGES: tuple[type[Any], ...] = tuple(
    value
    for module in MODULES
    for value in vars(module).values()
    if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__ == module.__name__
)
"""Every dataclass that the contract declares (the enrolment token is text, not a message, and comes along for free)."""

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def messages(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Any message of the type `cls`."""
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{field.name: values(hints[field.name]) for field in dataclasses.fields(cls)})


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field with that annotation."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(st.none() if option is type(None) else values(option) for option in typing.get_args(hint)))
    if origin is tuple:
        return st.lists(values(typing.get_args(hint)[0]), max_size=3).map(tuple)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return messages(hint)
    if hint is str:
        return TEXT
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is dt.datetime:
        return st.datetimes(timezones=st.just(dt.UTC))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    found: st.SearchStrategy[Any] = st.from_type(hint)
    return found
