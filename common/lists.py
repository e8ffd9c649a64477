"""Lists as addresses ask for them: searched, narrowed, sorted and cut into pages, all of it in the address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest, QueryDict
from django.utils.functional import Promise

PAGE_SIZE: Final = 50
SEARCH_LENGTH: Final = 200

M = TypeVar("M", bound=Model)
T = TypeVar("T")
Test = TypeVar("Test")
Sort = TypeVar("Sort")
Order = tuple[Combinable | str, ...]


def search_text(text: str) -> str:
    """`text` as it is searched for: cut to :data:`SEARCH_LENGTH`, without spaces around, and without NUL, which no database takes."""
    return text.replace("\0", "").strip()[:SEARCH_LENGTH]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for; what it cannot mean is left out."""

    search: str = ""
    group: str = ""
    sort: str = ""
    more: int = 0
    """How many of :attr:`Offer.more_names` it gives."""

    @property
    def folded(self) -> int:
        """How many things narrow it besides the search: what a phone folds away."""
        return bool(self.group) + self.more

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves something out."""
        return bool(self.search or self.folded)


@dataclass(frozen=True, kw_only=True)
class Offer(Generic[Test, Sort]):
    """How one list can be searched, narrowed and sorted; a test says which of its things, a sort in which order."""

    placeholder: Promise
    """What can be searched for, in words."""
    find: Callable[[str], Test]
    """What a text finds."""
    groups: Mapping[str, tuple[Promise | str, Test]] = field(default_factory=dict)
    """What it can be narrowed to, by the key in the address."""
    group_name: str = "group"
    """The name of that key."""
    more_names: tuple[str, ...] = ()
    """Further keys that narrow it, such as the days of an audit; their view reads them."""
    sorts: Mapping[str, tuple[Promise | str, Sort]]
    """By the key in the address; the first where none is named."""

    def asked(self, query: QueryDict) -> Asked:
        """What `query` asks for."""
        group, sort = query.get(self.group_name, ""), query.get("sort", "")
        return Asked(
            search=search_text(query.get("q", "")),
            group=group if group in self.groups else "",
            sort=sort if sort in self.sorts else next(iter(self.sorts)),
            more=sum(bool(query.get(name)) for name in self.more_names),
        )


class Choices(Offer[Q, Order]):
    """Of rows, which the database finds."""

    def found(self, rows: QuerySet[M], asked: Asked) -> QuerySet[M]:
        """Those of `rows`, in that order."""
        if asked.search:
            rows = rows.filter(self.find(asked.search))
        if asked.group:
            rows = rows.filter(self.groups[asked.group][1])
        return rows.order_by(*self.sorts[asked.sort][1])


class LoadedChoices(Offer[Callable[[T], bool], Callable[[T], Any]], Generic[T]):
    """Of things that are in memory anyway, such as what hosts reported."""

    def found(self, things: Iterable[T], asked: Asked) -> list[T]:
        """Those of `things`, in that order; as they come where it tells no difference."""
        tests = [self.find(asked.search)] if asked.search else []
        if asked.group:
            tests.append(self.groups[asked.group][1])
        return sorted((thing for thing in things if all(test(thing) for test in tests)), key=self.sorts[asked.sort][1])


def holds(text: str, *fields: str) -> bool:
    """Whether one of `fields` has `text` in it, in capitals or not."""
    return any(text.casefold() in field.casefold() for field in fields)


def list_context(
    request: HttpRequest, rows: Any, choices: Choices | LoadedChoices[Any], *, page_size: int = PAGE_SIZE
) -> dict[str, Any]:
    """For a template with ``components/search.html`` above a list, and ``components/pagination.html`` below it."""
    asked = choices.asked(request.GET)
    return {
        "asked": asked,
        "choices": choices,
        "page_obj": Paginator(choices.found(rows, asked), page_size).get_page(request.GET.get("page")),
    }
