"""Conditions of check constraints about fields that are filled together, or in some statuses only.

A field is empty when it is NULL, and a text field (`texts`) when it is "".
"""

from collections.abc import Iterable

from django.db.models import Q


def filled(*fields: str, texts: Iterable[str] = ()) -> Q:
    """Return the condition that all of these fields are filled."""
    condition = Q(**{f"{field}__isnull": False for field in fields})
    for text in texts:
        condition &= ~Q(**{text: ""})
    return condition


def empty(*fields: str, texts: Iterable[str] = ()) -> Q:
    """Return the condition that all of these fields are empty."""
    return Q(**{f"{field}__isnull": True for field in fields}, **dict.fromkeys(texts, ""))


def filled_together(*fields: str, texts: Iterable[str] = ()) -> Q:
    """Return the condition that all of these fields are filled or all are empty."""
    return empty(*fields, texts=texts) | filled(*fields, texts=texts)


def filled_exactly_when(condition: Q, *fields: str, texts: Iterable[str] = ()) -> Q:
    """Return the condition that these fields are filled where `condition` is true, and empty elsewhere."""
    return (condition & filled(*fields, texts=texts)) | (~condition & empty(*fields, texts=texts))
