"""Lists as addresses ask for them: searched, narrowed, sorted and cut into pages, all of it in the address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest, QueryDict
from django.utils.functional import Promise

PAGE_SIZE: Final = 50
SEARCH_LENGTH: Final = 200

M = TypeVar("M", bound=Model)
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

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves something out."""
        return bool(self.search or self.group)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How one list can be searched, narrowed and sorted."""

    placeholder: Promise
    """What can be searched for, in words."""
    find: Callable[[str], Q]
    """What a text finds."""
    groups: Mapping[str, tuple[Promise | str, Q]] = field(default_factory=dict)
    """What it can be narrowed to, by the key in the address."""
    group_name: str = "group"
    """The name of that key."""
    sorts: Mapping[str, tuple[Promise | str, Order]]
    """By the key in the address; the first where none is named."""

    def asked(self, query: QueryDict) -> Asked:
        """What `query` asks for."""
        group, sort = query.get(self.group_name, ""), query.get("sort", "")
        return Asked(
            search=search_text(query.get("q", "")),
            group=group if group in self.groups else "",
            sort=sort if sort in self.sorts else next(iter(self.sorts)),
        )

    def found(self, rows: QuerySet[M], asked: Asked) -> QuerySet[M]:
        """Those of `rows`, in that order."""
        if asked.search:
            rows = rows.filter(self.find(asked.search))
        if asked.group:
            rows = rows.filter(self.groups[asked.group][1])
        return rows.order_by(*self.sorts[asked.sort][1])


def list_context(
    request: HttpRequest, rows: QuerySet[Any], choices: Choices, *, page_size: int = PAGE_SIZE
) -> dict[str, Any]:
    """For a template with ``components/search.html`` above a list, and ``components/pagination.html`` below it."""
    asked = choices.asked(request.GET)
    return {
        "asked": asked,
        "choices": choices,
        "page_obj": Paginator(choices.found(rows, asked), page_size).get_page(request.GET.get("page")),
    }
