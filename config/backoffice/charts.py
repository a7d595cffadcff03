"""Charts as SVG rendered on the server: without a script or another host, readable on phones and by screen readers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from config.backoffice.texts import Label

WIDTH, HEIGHT = 600, 200
LEFT, TOP, BOTTOM = 52, 12, 24
_STEPS = (
    Decimal("1.2"),
    Decimal(2),
    Decimal(4),
    Decimal(8),
    Decimal(12),
)  # round numbers whose quarters are round too


@dataclass(frozen=True)
class Line:
    """The values of one metric over the days."""

    label: Label
    values: Sequence[Decimal]

    @property
    def total(self) -> str:
        return _number_text(sum(self.values, Decimal(0)))


@dataclass(frozen=True)
class Day:
    """The column of one day: its place, its figures as a text, a dot on each line, and the list that it counts."""

    left: float
    width: float
    text: str
    text_x: float
    dots: list[tuple[float, float]]
    address: str


@dataclass(frozen=True)
class Chart:
    """Lines over the same days, with the coordinates that the template draws."""

    title: Label
    days: Sequence[date]
    lines: Sequence[Line]
    address_of: Callable[[date], str] | None = None  # the list of what is counted on a day

    @property
    def view_box(self) -> str:
        return f"0 0 {WIDTH} {HEIGHT}"

    @property
    def top(self) -> Decimal:
        """Return the value at the upper edge: the next round number."""
        highest = max((value for line in self.lines for value in line.values), default=Decimal(0))
        if highest <= 4:
            return Decimal(4)
        scale = Decimal(10) ** (len(str(int(highest))) - 1)
        return next(step * scale for step in _STEPS if step * scale >= highest)

    def _x(self, index: int) -> float:
        return LEFT + index * (WIDTH - LEFT - 8) / (len(self.days) - 1)

    def _y(self, value: Decimal) -> float:
        return HEIGHT - BOTTOM - float(value / self.top) * (HEIGHT - TOP - BOTTOM)

    @property
    def grid(self) -> list[tuple[float, str]]:
        """Return (height, label) of the horizontal lines."""
        return [(self._y(self.top * part / 4), _number_text(self.top * part / 4)) for part in range(5)]

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Return (position, day) of the labels below the chart, one per week, the last day first."""
        return [(self._x(index), f"{self.days[index]:%m-%d}") for index in range(len(self.days) - 1, -1, -7)]

    @property
    def drawn(self) -> list[tuple[Label, str]]:
        """Return (label, polyline points) of each line."""
        return [(line.label, self._points(line)) for line in self.lines]

    def _points(self, line: Line) -> str:
        return " ".join(f"{self._x(i):.1f},{self._y(value):.1f}" for i, value in enumerate(line.values))

    @property
    def hover(self) -> list[Day]:
        """Return what each day shows when the pointer is over its column."""
        width = (WIDTH - LEFT - 8) / (len(self.days) - 1)
        return [
            Day(
                left=round(self._x(index) - width / 2, 1),
                width=round(width, 1),
                text=self._text(index),
                text_x=round(min(max(self._x(index), LEFT + 90), WIDTH - 90), 1),
                dots=[(round(self._x(index), 1), round(self._y(line.values[index]), 1)) for line in self.lines],
                address=self.address_of(day) if self.address_of else "",
            )
            for index, day in enumerate(self.days)
        ]

    def _text(self, index: int) -> str:
        figures = "，".join(f"{line.label} {_number_text(line.values[index])}" for line in self.lines)
        return f"{self.days[index]:%m-%d} {figures}"

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """Return the values as rows of a table, newest first."""
        return [
            (f"{day:%Y-%m-%d}", [_number_text(line.values[index]) for line in self.lines])
            for index, day in reversed(list(enumerate(self.days)))
        ]


def _number_text(value: Decimal) -> str:
    """Return the number with thousands separators, and with decimals only where it has some."""
    return f"{value:,.0f}" if value == value.to_integral_value() else f"{value:,.2f}"
