"""Queries whose SQL is made once: for the few that are asked whenever a console opens.

Django makes a query's SQL anew each time, which takes it three to ten times as long as the database takes to answer by a key. A
:class:`Prepared` query is an ordinary queryset with :class:`Parameter` in the place of values; its SQL is kept with each connection.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, QuerySet, Value

Row = TypeVar("Row")


class Parameter(Value):
    """Stands in a prepared query for a value that is given when it is asked."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(name, output_field=field)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """A placeholder, and itself as what is to be put there."""
        return "%s", [self]

    def given(self, values: Mapping[str, Any], connection: BaseDatabaseWrapper) -> Any:
        """Its value among `values`, as the database takes it."""
        return self.output_field.get_db_prep_value(values[self.value], connection)


class Prepared(Generic[Row]):
    """A queryset of models or of ``values_list``, with related objects or annotations, but without prefetches."""

    def __init__(self, build: Callable[[], QuerySet[Any, Row]]) -> None:
        """`build` is called once for each connection, when it is first asked there."""
        self._build = build
        self._statements: weakref.WeakKeyDictionary[Any, _Statement[Row]] = weakref.WeakKeyDictionary()

    def rows(self, **values: Any) -> list[Row]:
        """What the database has for these values of the parameters."""
        connection = connections[DEFAULT_DB_ALIAS]
        statement = self._statements.get(connection)
        if statement is None:
            statement = self._statements[connection] = _Statement(self._build(), connection)
        return statement.rows(values)

    def first(self, **values: Any) -> Row | None:
        """The first of :meth:`rows`, or None."""
        return next(iter(self.rows(**values)), None)


class _Statement(Generic[Row]):
    """A queryset whose compiler has compiled, and says the same again."""

    def __init__(self, queryset: QuerySet[Any, Row], connection: BaseDatabaseWrapper) -> None:
        self._queryset = queryset
        self._connection = weakref.proxy(connection)
        self._compiler: Any = queryset.query.get_compiler(connection=self._connection)
        self._sql, self._parameters = self._compiler.as_sql()
        queryset.query.get_compiler = lambda *_args, **_kwargs: self._compiler  # type: ignore[method-assign]

    def rows(self, values: Mapping[str, Any]) -> list[Row]:
        given = tuple(
            parameter.given(values, self._connection) if isinstance(parameter, Parameter) else parameter
            for parameter in self._parameters
        )
        self._compiler.as_sql = lambda *_args, **_kwargs: (self._sql, given)
        iterable: Any = self._queryset._iterable_class
        return list(iterable(self._queryset))
