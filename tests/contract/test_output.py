"""Answers that are written without a serializer equal those of the serializer, which describes them."""

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import resolve

from accounts.models import User
from config.api import output
from config.api.renderer import to_bytes
from tests.contract.calling import answer_to, credential_of
from tests.contract.objects import Objects
from tests.contract.operations import OPERATIONS
from tests.contract.table import Operation


def is_written_directly(operation: Operation) -> bool:
    """Return whether a prepared statement reads what the operation answers."""
    path = operation.path.partition("?")[0]
    view = resolve(path).func if "{" not in path else None
    return bool(view) and view.actions.get(operation.method.lower()) in getattr(view.cls, "confirms_user", ())


DIRECT = [operation for operation in OPERATIONS if is_written_directly(operation)]


def as_object(values: Mapping[str, Any], shape: Any) -> SimpleNamespace:
    """Return an object with these values where the fields of the serializer look for them; others are null."""
    found = SimpleNamespace()
    for field in shape().fields.values():
        *path, last = str(field.source).split(".")
        part = found
        for name in path:
            part.__dict__.setdefault(name, SimpleNamespace())
            part = getattr(part, name)
        value = values.get(str(field.source).replace(".", "__"))
        if value is not None or field.required:
            setattr(part, last, value)
    return found


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Compare each answer with the serializer's. Returns the names of the serializers."""
    names: list[str] = []
    rows_of, object_of = output.written, output.written_object

    def written(shape: Any, columns: Sequence[str], rows: Iterable[Any]) -> Any:
        rows = list(rows)
        answer = rows_of(shape, columns, rows)
        objects = [as_object(dict(zip(columns, row, strict=True)), shape) for row in rows]
        assert to_bytes(answer) == to_bytes(shape(objects, many=True).data)
        names.append(shape.__name__)
        return answer

    def written_object(shape: Any, values: Mapping[str, Any]) -> Any:
        answer = object_of(shape, values)
        assert to_bytes(answer) == to_bytes(shape(values).data)
        names.append(shape.__name__)
        return answer

    monkeypatch.setattr(output, "written", written)
    monkeypatch.setattr(output, "written_object", written_object)
    return names


def test_the_lists_and_the_pages_of_money_are_written_directly():
    assert {operation.path for operation in DIRECT} >= {"/groups", "/alt_msg", "/keywords", "/profit", "/withdraw"}


@pytest.mark.parametrize("operation", [one for one in DIRECT if isinstance(one.answer, dict | list)], ids=str)
def test_an_answer_equals_that_of_its_serializer(operation: Operation, objects: Objects, compared: list[str]):
    answer = answer_to(operation, operation.good_call(objects), credential_of(operation, objects))
    assert answer["data"]
    assert compared


OUTDATED = {
    "signed out": {"signed_out_at": Now()},
    "switched off": {"is_active": False},
    "staff": {"is_staff": True},
}


@pytest.mark.parametrize("change", OUTDATED.values(), ids=OUTDATED)
@pytest.mark.parametrize("operation", DIRECT, ids=str)
def test_an_outdated_token_is_refused_whatever_the_call(operation: Operation, change: Any, objects: Objects):
    call, headers = operation.good_call(objects), credential_of(operation, objects)
    User.objects.filter(pk=objects.alice.pk).update(**change)
    assert answer_to(operation, call, headers)["code"] == 1401
    assert (
        Client().get(operation.path.partition("?")[0], {"page_size": "x"}, headers=headers).json()["code"] == 1401
    )
