"""The kinds of database triggers that models declare in `Meta.triggers` (django-pgtrigger).

A trigger enforces a rule on every writer: `save()`, `queryset.update()`, COPY and plain SQL. `makemigrations` writes the
migration of a new or changed trigger.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Any

import pgtrigger
from pgtrigger import compiler

from config.platform.db import enum_params


class RuleSql(compiler.UpsertTriggerSql):
    """The SQL that installs a trigger. Migrations refer to this class, so the text of a released template stays."""

    def get_template(self) -> str:
        return """
            CREATE OR REPLACE FUNCTION {pgid}() RETURNS trigger LANGUAGE plpgsql AS $$
            {declare}
            BEGIN
            {func}
            END $$;

            DROP TRIGGER IF EXISTS {pgid} ON {table};
            CREATE {constraint} TRIGGER {pgid}
                {when} {operation} ON {table}
                {timing}
                {referencing}
                FOR EACH {level} {condition}
                EXECUTE FUNCTION {execute};

            COMMENT ON TRIGGER {pgid} ON {table} IS '{hash}';
        """


class Rule(pgtrigger.Trigger):
    """A trigger that a session cannot switch off.

    pgtrigger's own template skips a trigger that the session setting `pgtrigger.ignore` names. The test opens a subtransaction
    for each row: an UPDATE of 100,000 rows took 1.5 to 2.4 seconds longer with it. No rule of ours has an exception.
    """

    def compile(self, model: Any) -> compiler.Trigger:
        """Return the trigger as migrations store it."""
        options = super().compile(model).sql.kwargs
        del options["ignore_func_name"]
        return compiler.Trigger(name=self.name, sql=RuleSql(**options))

    def render_condition(self, model: Any) -> str:
        """Return the WHEN clause, always in parentheses."""
        condition = self.get_condition(model)
        return f"WHEN ({condition.resolve(model)})" if condition else ""


class Forbid(Rule):
    """Refuses a row, or a statement, that meets the condition.

    Errors name `constraint`, as those of a check constraint do. `message` may contain a % for each of the SQL expressions in
    `values`.
    """

    when = pgtrigger.Before

    def __init__(
        self,
        *,
        constraint: str,
        message: str,
        values: Iterable[str] = (),
        error_code: str = "check_violation",
        condition: str | None = None,
        **options: Any,
    ) -> None:
        self.constraint, self.message, self.values, self.error_code = constraint, message, values, error_code
        super().__init__(condition=pgtrigger.Condition(condition) if condition else None, **options)

    def get_func(self, model: Any) -> str:
        """Return the body of the function, which only raises: the condition has been tested before."""
        raised = ", ".join([f"'{self.message}'", *self.values])
        return f"RAISE EXCEPTION {raised} USING ERRCODE = '{self.error_code}', CONSTRAINT = '{self.constraint}';"


class AppendOnly(Forbid):
    """Refuses every UPDATE, DELETE and TRUNCATE of the table."""

    level = pgtrigger.Statement
    operation = pgtrigger.Update | pgtrigger.Delete | pgtrigger.Truncate

    def __init__(self, **options: Any) -> None:
        super().__init__(error_code="restrict_violation", **options)


class FixedColumns(Forbid):
    """Refuses a change of these fields' values. `condition` and `unless` (SQL) restrict the rule to some rows."""

    operation = pgtrigger.Update

    def __init__(self, *, fields: Iterable[str], unless: str | None = None, **options: Any) -> None:
        self.fields, self.unless = tuple(fields), unless
        super().__init__(**options)

    def get_condition(self, model: Any) -> pgtrigger.Condition:
        """Return the condition: one of the fields changes."""
        columns = [model._meta.get_field(field).column for field in self.fields]
        new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
        parts = [f"({new}) IS DISTINCT FROM ({old})"]
        parts += [f"({self.condition.sql})"] if self.condition else []
        parts += [f"NOT ({self.unless})"] if self.unless else []
        return pgtrigger.Condition(" AND ".join(parts))


class Transitions(Forbid):
    """Refuses every change of a status field but the allowed ones.

    pgtrigger's FSM accepts text columns only and names no constraint.
    """

    operation = pgtrigger.Update

    def __init__(self, *, field: str, allowed: Iterable[tuple[Any, Any]], **options: Any) -> None:
        self.field, self.allowed = field, tuple(allowed)
        super().__init__(values=(f"OLD.{field}", f"NEW.{field}"), **options)

    def get_condition(self, model: Any) -> pgtrigger.Condition:
        """Return the condition: the status changes, and not in an allowed way."""
        old, new = f"OLD.{self.field}", f"NEW.{self.field}"
        pairs = ", ".join(f"({_literal(before)}, {_literal(after)})" for before, after in self.allowed)
        return pgtrigger.Condition(f"{new} <> {old} AND ({old}, {new}) NOT IN ({pairs})")


def with_values(sql: str, **enums: type[Enum]) -> str:
    """Return the SQL with the values of enums: `with_values(sql, status=Status)` fills in `{status_paid}`.

    They are written as literals, because the statement that creates a function takes no parameters.
    """
    return sql.format(**{name: _literal(value) for name, value in enum_params(**enums).items()})


def _literal(value: Any) -> str:
    """Return a value of an enum, or the member with it, as SQL."""
    return f"'{value}'" if isinstance(value, str) else str(int(value))
