"""Querysets that Django compiles once and PostgreSQL prepares once per connection.

Building and compiling a queryset takes longer than PostgreSQL needs for one page of rows. So the function that builds a
queryset is called once, with an expression in the place of each argument:

@prepared
def _batches(user_id: UUID, since: datetime) -> QuerySet[Batch]:
    return Batch.objects.filter(user_id=user_id, created_at__gte=since).values_list("pk", "name")

rows = _batches.rows(user.pk, since)

Constants become part of the SQL, so that partial indexes are used. `PREPARED_STATEMENTS=0` sends the SQL with each call
instead, for a connection pool that changes connections between transactions (docs/operations.md).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import count
from typing import Any, Generic, ParamSpec, cast, get_type_hints
from uuid import UUID
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import connection, models
from django.db.models.sql import UpdateQuery
from psycopg2.extensions import AsIs

Params = ParamSpec("Params")
Row = tuple[Any, ...]
_FIELDS: "Mapping[type, models.Field[Any, Any]]" = {
    UUID: models.UUIDField(),
    bool: models.BooleanField(),
    int: models.BigIntegerField(),
    str: models.TextField(),
    date: models.DateField(),
    datetime: models.DateTimeField(),
}
_numbers = count(1)
# The names of the statements that each connection has prepared.
_prepared: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


class Argument(models.Expression):
    """The expression for one argument of a prepared function."""

    def __init__(self, place: int, kind: type) -> None:
        super().__init__(output_field=_FIELDS[kind])
        self.place = place

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]

    def get_group_by_cols(self) -> list[Any]:
        return []


class PageOf(models.Subquery):
    """The keys of one page of a queryset of keys. No limit: all of them."""

    template = "(%(subquery)s LIMIT %%s OFFSET %%s)"

    def __init__(self, keys: models.QuerySet[Any, Any], limit: Argument, offset: Argument) -> None:
        super().__init__(keys)
        self.bounds = [limit, offset]

    def as_sql(self, compiler: Any, connection: Any, template: str | None = None, **context: Any) -> Any:
        sql, params = super().as_sql(compiler, connection, template, **context)
        return sql, [*params, *self.bounds]


class CountOf(models.Subquery):
    """The number of rows of a queryset."""

    template = "(SELECT count(*) FROM (%(subquery)s) AS counted)"

    def __init__(self, rows: models.QuerySet[Any, Any]) -> None:
        super().__init__(rows, output_field=models.BigIntegerField())


@dataclass(frozen=True)
class Update:
    """The update of the rows of a queryset, for a prepared function that writes."""

    rows: models.QuerySet[Any, Any]
    values: Mapping[str, Any]

    @property
    def query(self) -> UpdateQuery:
        query: Any = self.rows.query.chain(UpdateQuery)
        query.add_update_values(dict(self.values))
        return cast(UpdateQuery, query)


class _Statement:
    """SQL with arguments among its parameters, prepared once per connection."""

    def __init__(self, sql: str, params: Sequence[Any], kinds: Sequence[type]) -> None:
        self.sql, self.params = sql, params
        self._name = f"wxrobot_{next(_numbers)}"
        self._types = ", ".join(str(_FIELDS[kind].cast_db_type(connection)) for kind in kinds)
        self._execute = f"EXECUTE {self._name}" + (f"({', '.join(['%s'] * len(kinds))})" if kinds else "")

    def run(self, cursor: Any, arguments: tuple[Any, ...]) -> None:
        if not settings.PREPARED_STATEMENTS:
            cursor.execute(self.sql, [arguments[p.place] if isinstance(p, Argument) else p for p in self.params])
            return
        names = _prepared.setdefault(connection.connection, set())
        if self._name not in names:
            self._prepare(cursor)
            names.add(self._name)
        cursor.execute(self._execute, arguments)

    def _prepare(self, cursor: Any) -> None:
        params = [AsIs(f"${p.place + 1}") if isinstance(p, Argument) else p for p in self.params]
        sql = cursor.mogrify(self.sql, params).decode()
        with connection.wrap_database_errors:
            cursor.cursor.execute(f"PREPARE {self._name}{f' ({self._types})' if self._types else ''} AS {sql}")


class _Query:
    """The compiled statement of a query, with its columns and the conversions of their values."""

    def __init__(self, query: Any, kinds: Sequence[type]) -> None:
        compiler = query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        self.statement = _Statement(sql, params, kinds)
        selected = [column for column, *_ in getattr(compiler, "select", None) or ()]
        self.columns = list(query.selected or [column.target.attname for column in selected])
        self._converters = compiler.get_converters(selected)
        self._convert = compiler.apply_converters

    def converted(self, rows: list[Row]) -> list[Row]:
        """Return the rows with the values that the model's fields give them."""
        return list(map(tuple, self._convert(rows, self._converters))) if self._converters else rows


class PreparedSql:
    """A statement of our own SQL, prepared once per connection. Its arguments are named like `%(name)s` in the SQL."""

    def __init__(self, sql: str, **kinds: type) -> None:
        self._names = list(kinds)
        places = {name: Argument(place, kind) for place, (name, kind) in enumerate(kinds.items())}
        params = [places[name] for name in re.findall(r"%\((\w+)\)s", sql)]
        self._statement = _Statement(re.sub(r"%\(\w+\)s", "%s", sql), params, list(kinds.values()))

    def write(self, **arguments: Any) -> int:
        """Run the statement and return how many rows it wrote."""
        with connection.cursor() as cursor:
            self._run(cursor, arguments)
            written: int = cursor.rowcount
        return written

    def rows(self, **arguments: Any) -> list[Row]:
        """Run the statement and return its rows."""
        with connection.cursor() as cursor:
            self._run(cursor, arguments)
            fetched: list[Row] = cursor.fetchall()
        return fetched

    def _run(self, cursor: Any, arguments: Mapping[str, Any]) -> None:
        self._statement.run(cursor, tuple(arguments[name] for name in self._names))


class Prepared(Generic[Params]):
    """A function that builds a queryset or an `Update`, as a prepared statement with the same parameters."""

    def __init__(self, build: Callable[Params, Any], kinds: list[type]) -> None:
        self._build, self._kinds = build, kinds

    @cached_property
    def _queryset(self) -> Any:
        arguments: list[Any] = [Argument(place, kind) for place, kind in enumerate(self._kinds)]
        build: Callable[..., Any] = self._build
        return build(*arguments)

    @cached_property
    def _query(self) -> _Query:
        return _Query(self._queryset.query, self._kinds)

    @property
    def columns(self) -> list[str]:
        """Return the names of the selected columns, in their order."""
        return self._query.columns

    def rows(self, *args: Params.args, **kwargs: Params.kwargs) -> list[Row]:
        """Run the statement and return its rows."""
        with connection.cursor() as cursor:
            self._query.statement.run(cursor, args)
            return self._query.converted(cursor.fetchall())

    def objects(self, *args: Params.args, **kwargs: Params.kwargs) -> list[Any]:
        """Run a statement that selects whole models and return them."""
        model, columns = self._queryset.model, self.columns
        return [model.from_db(connection.alias, columns, row) for row in self.rows(*args, **kwargs)]

    def write(self, *args: Params.args, **kwargs: Params.kwargs) -> int:
        """Run the statement and return how many rows it changed."""
        with connection.cursor() as cursor:
            self._query.statement.run(cursor, args)
            changed: int = cursor.rowcount
        return changed


def prepared(build: Callable[Params, Any]) -> Prepared[Params]:
    """Return the function as a prepared statement. Its parameters are positional and annotated."""
    return Prepared(build, kinds_of(build))


def kinds_of(build: Callable[..., Any]) -> list[type]:
    """Return the types of the parameters of a function."""
    return [kind for name, kind in get_type_hints(build).items() if name != "return"]
