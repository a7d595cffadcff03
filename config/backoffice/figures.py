"""Figures of one app about objects of another: the income of a group, the groups of a person.

An admin module registers a function for the model that the figures are about; pages and confirmations of that model show
the figures of all functions.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from config.backoffice.texts import Label

Figures = Sequence[tuple[Label, Label]]  # (title, value)
_functions: dict[str, list[Callable[[Sequence[Any]], Mapping[Any, Figures]]]] = defaultdict(list)


def register_figures(model: str, function: Callable[[Sequence[Any]], Mapping[Any, Figures]]) -> None:
    """Register a function for a model (`groups.group`). It returns figures by primary key, in a few queries for all rows."""
    _functions[model].append(function)


def figures_of(rows: Sequence[Any]) -> dict[Any, list[tuple[Label, Label]]]:
    """Return the figures of these rows of one model by primary key, in the order of registration."""
    found: dict[Any, list[tuple[Label, Label]]] = {row.pk: [] for row in rows}
    for function in _functions[rows[0]._meta.label_lower] if rows else ():
        for pk, figures in function(rows).items():
            found[pk] += figures
    return found
