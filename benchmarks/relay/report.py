"""What a measure found: rows for each chain, and what the aims say of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .chains import EVE, JUDGES


@dataclass(frozen=True, slots=True)
class Aim:
    """One figure that has to be reached."""

    what: str
    value: float
    limit: float
    unit: str = ""
    detail: str = ""

    @property
    def is_met(self) -> bool:
        """Whether it is."""
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "met" if self.is_met else "MISSED"
        unit = f" {self.unit}" if self.unit else ""
        detail = f"  ({self.detail})" if self.detail else ""
        return f"{verdict:<6} {self.what}: {self.value:.2f}{unit}, aim ≤ {self.limit:g}{unit}{detail}"


@dataclass(slots=True)
class Finding:
    """The table of one measure."""

    title: str
    columns: Sequence[str]
    """Of :attr:`rows`, units included."""
    rows: dict[str, Sequence[float | str]] = field(default_factory=dict)
    aims: list[Aim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def ratio(self, column: str, what: str, limit: float) -> None:
        """Adds the aim that Eve's figure is at most `limit` times the better peer's, where one was measured."""
        at = self.columns.index(column)
        values = {name: row[at] for name, row in self.rows.items()}
        eve = values.get(EVE)
        judges = {name: value for name in JUDGES if isinstance(value := values.get(name), float) and value > 0}
        if not isinstance(eve, float) or not judges:
            return
        best = min(judges, key=lambda name: judges[name])
        self.aims.append(Aim(what, eve / judges[best], limit, "×", f"{eve:.4g} against {judges[best]:.4g} of {best}"))

    def limit(self, column: str, what: str, limit: float, unit: str) -> None:
        """Adds the aim that Eve's figure is at most `limit`."""
        value = self.rows[EVE][self.columns.index(column)] if EVE in self.rows else ""
        if isinstance(value, float):
            self.aims.append(Aim(what, value, limit, unit))

    def as_text(self) -> str:
        """For a terminal."""
        head = ["", *self.columns]
        body = [[name, *(_figure(value) for value in row)] for name, row in self.rows.items()]
        widths = [max(len(line[at]) for line in [head, *body]) for at in range(len(head))]
        lines = [self.title]
        for line in [head, *body]:
            cells = [
                line[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
            ]
            lines.append("  " + "  ".join(cells).rstrip())
        lines += [f"  {aim}" for aim in self.aims]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "title": self.title,
            "rows": {name: dict(zip(self.columns, row, strict=True)) for name, row in self.rows.items()},
            "aims": [
                {"what": aim.what, "value": aim.value, "limit": aim.limit, "unit": aim.unit, "met": aim.is_met}
                for aim in self.aims
            ],
            "notes": list(self.notes),
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all (0 to 1) do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each figure's median over the rounds."""
    return {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}


def _figure(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"
