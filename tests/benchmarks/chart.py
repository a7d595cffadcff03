"""A chart of ratios as an SVG file: a row for each comparison, a mark for each contestant, on a logarithmic axis.

It is as wide as a phone. It has a background of its own in both color schemes, and marks of different shapes.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import log
from typing import NamedTuple

WIDTH, MARGIN, ROW, HEAD = 390, 14, 40, 12
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10)
_STYLE = """
.back { fill: #ffffff; } .grid { stroke: #d0d7de; } .one { stroke: #1f2328; } text { fill: #1f2328; font: 13px sans-serif; }
.tick { font-size: 11px; } .c0 { fill: #0a58ca; } .c1 { fill: #6ea8fe; stroke: #0a58ca; } .c2 { fill: #7a7f85; }
.c3 { fill: #b35900; } .c4 { fill: #b3261e; }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117; } .grid { stroke: #3d444d; } .one { stroke: #f0f6fc; } text { fill: #f0f6fc; }
.c0 { fill: #79b8ff; } .c1 { fill: #1f4e8c; stroke: #79b8ff; } .c2 { fill: #9da4ab; } .c3 { fill: #f0a050; } .c4 { fill: #ff8a80; }
}
"""
# Each shape within five pixels of its middle.
_SHAPES = (
    '<circle cx="{x:.1f}" cy="{y}" r="5.5" class="c0"/>',
    '<circle cx="{x:.1f}" cy="{y}" r="4.5" class="c1"/>',
    '<path d="M{x:.1f} {y}m0 -6l6 10h-12z" class="c2"/>',
    '<path d="M{x:.1f} {y}m-5 -5h10v10h-10z" class="c3"/>',
    '<path d="M{x:.1f} {y}m0 -6l6 6l-6 6l-6 -6z" class="c4"/>',
)


class Row(NamedTuple):
    """A comparison: its label, and the ratio of each contestant."""

    label: str
    ratios: Mapping[str, float]


def svg(title: str, contestants: Sequence[str], rows: Sequence[Row]) -> str:
    """Return the chart. Contestants that a row lacks are left out of it; the first one is drawn last, on top."""
    legend = [_legend(place, name) for place, name in enumerate(contestants)]
    top = HEAD + 26 + 20 * -(-len(contestants) // 2) + 16
    bottom = top + ROW * len(rows)
    grid = [_grid_line(tick, top, bottom) for tick in TICKS]
    drawn = [_row(row, contestants, top + ROW * place) for place, row in enumerate(rows)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + MARGIN}" width="{WIDTH}"'
            f' height="{bottom + MARGIN}" role="img">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style>",
            f'<rect width="{WIDTH}" height="{bottom + MARGIN}" rx="8" class="back"/>',
            f'<text x="{MARGIN}" y="{HEAD + 13}">{escape(title)}</text>',
            *legend,
            *grid,
            *drawn,
            "</svg>\n",
        ]
    )


def _legend(place: int, name: str) -> str:
    x, y = MARGIN + 8 + place % 2 * (WIDTH // 2), HEAD + 34 + 20 * (place // 2)
    return f'{_SHAPES[place].format(x=x, y=y)}<text x="{x + 12}" y="{y + 4}">{escape(name)}</text>'


def _x(ratio: float) -> float:
    """Return the place of a ratio on the axis; one beyond its end is drawn there."""
    low, high = log(TICKS[0]), log(TICKS[-1])
    share = (min(max(log(ratio), low), high) - low) / (high - low)
    return MARGIN + 8 + share * (WIDTH - 2 * MARGIN - 16)


def _grid_line(tick: float, top: int, bottom: int) -> str:
    kind, x = "one" if tick == 1 else "grid", _x(tick)
    line = f'<path d="M{x:.1f} {top}V{bottom}" class="{kind}"/>'
    return f'{line}<text x="{x:.1f}" y="{top - 5}" class="tick" text-anchor="middle">{tick:g}</text>'


def _row(row: Row, contestants: Sequence[str], y: int) -> str:
    marks = [
        _SHAPES[place].format(x=_x(row.ratios[name]), y=y + 28)
        for place, name in reversed(list(enumerate(contestants)))
        if name in row.ratios
    ]
    back = f'<rect x="{MARGIN}" y="{y + 4}" width="{7 * len(row.label)}" height="15" class="back"/>'
    return f'{back}<text x="{MARGIN}" y="{y + 16}">{escape(row.label)}</text>{"".join(marks)}'
