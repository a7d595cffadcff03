"""Who changed what, from what to what: written by triggers, so that no way of writing escapes it.

Libraries that listen to `save()` miss `queryset.update()` and plain SQL, which most verbs use. Here PostgreSQL itself
notes each changed row, as soon as the transaction says who acts (docs/decisions/0005).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Model

from config.models import AuditEntry

COMMAND_LINE = "命令行"  # who acts where no operator does, through `manage.py …`
KEY_PREFIX, LONGEST_ACTOR = "接口:", 80  # keys among those who act; as long as the log keeps a name
DEVICE_TABLES = ("otp_totp_totpdevice", "otp_static_staticdevice")  # second factors
_ACTOR, _VIA = "wxrobot.actor", "wxrobot.via"
_APPS = (
    "config",
    "integrations",
    "accounts",
    "robots",
    "groups",
    "keywords",
    "launches",
    "earnings",
    "feedback",
    "auth",
    "django_celery_beat",
    "otp_totp",
    "otp_static",
)
# What is a history itself, follows from what is noted, or would show keys of sessions.
_NOT_NOTED = {
    "config.auditentry",
    "config.dayfigure",
    "config.operatorsession",
    "earnings.account",
    "earnings.ledgerentry",
    "earnings.withdrawalstep",
    "earnings.groupday",
    "earnings.groupreads",
    "earnings.ledgercheck",
    "robots.messageattempt",
    "launches.switchchange",
    "django_celery_beat.periodictasks",
}
# Written by the hundred as a consequence; operators only change them.
_NOT_NOTED_WHEN_NEW = {"robots.outboxmessage", "launches.delivery"}
# Noted as changed, never with their content.
_SECRET = ("password", "identity_sealed", "identity_hash", "sealed_key", "key_hash", "key", "code_hash", "token")
_UNIMPORTANT = ("last_login", "last_used_at", "last_used_from", "last_t", "throttling_failure_timestamp")


@contextmanager
def acting(*, by: str, via: str) -> Iterator[None]:
    """One transaction in which everything that changes is noted as done by `by`; what comes after it as before."""
    with transaction.atomic():
        before = _said()
        _say(by, via)
        yield
        _say(*before)


@contextmanager
def unnoted() -> Iterator[None]:
    """One transaction of which nothing is noted: for values that must not be kept, whose loss is noted by itself."""
    with acting(by="", via=""):
        yield


def _said() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(current_setting(%s, true), ''), coalesce(current_setting(%s, true), '')",
            [_ACTOR, _VIA],
        )
        by, via = cursor.fetchone()
    return by, via


def _say(by: str, via: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true), set_config(%s, %s, true)", [_ACTOR, by, _VIA, via[:200]])


# The database lets nothing else be changed in the log: a value becomes one that is noted without its content.
_MASK = """
UPDATE config_auditentry SET changes = (
    SELECT jsonb_object_agg(name, CASE WHEN name = ANY(%(columns)s) THEN '["•••", "•••"]'::jsonb ELSE value END)
    FROM jsonb_each(changes) AS noted(name, value)
) WHERE table_name = %(table)s AND row_id = ANY(%(rows)s) AND changes ?| %(columns)s
"""


def mask(model: type[Model], rows: Iterable[Any], columns: Sequence[str]) -> None:
    """Take the values of these columns out of everything that is noted of these rows; that they changed stays."""
    noted: dict[str, Any] = {"table": model._meta.db_table, "rows": list(map(str, rows)), "columns": list(columns)}
    with connection.cursor() as cursor:
        cursor.execute(_MASK, noted)


def note_export(model: type[Model], *, kind: str, query: str) -> None:
    """Somebody takes a list away. Within `acting`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO config_auditentry (noted_at, actor, via, action, table_name, row_id, changes)"
            " VALUES (now(), coalesce(current_setting(%s, true), ''), coalesce(current_setting(%s, true), ''),"
            " 'E', %s, '', jsonb_build_object('file', jsonb_build_array(null, %s::text),"
            " 'filter', jsonb_build_array(null, %s::text)))",
            [_ACTOR, _VIA, model._meta.db_table, kind, query[:500]],
        )


def noted_models() -> list[type[Model]]:
    """Every model whose changes are noted."""
    found = []
    for label in _APPS:
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            options = model._meta
            if options.managed and not options.proxy and options.label_lower not in _NOT_NOTED:
                found.append(model)
    return found


def install(**_: Any) -> None:
    """Give every such table its trigger; runs after each `migrate`, so that new tables have it from the start.

    A trigger made with other words, as before a column became secret, is replaced.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regproc('audit_note')")
        (function,) = cursor.fetchone()
        cursor.execute("SELECT tgrelid::regclass::text, tgargs FROM pg_trigger WHERE tgname = 'audit_note'")
        there = {table: bytes(words) for table, words in cursor.fetchall()}
        tables = set(connection.introspection.table_names(cursor))
        for model in noted_models() if function else ():
            as_kept = b"".join(word.encode() + b"\x00" for word in _words(model))
            if model._meta.db_table in tables and there.get(model._meta.db_table) != as_kept:
                cursor.execute(_trigger(model))


def _words(model: type[Model]) -> list[str]:
    return [str(model._meta.pk.column), ",".join(_SECRET), ",".join(_UNIMPORTANT)]


def _trigger(model: type[Model]) -> str:
    quote = connection.ops.quote_name
    moments = "UPDATE OR DELETE" if model._meta.label_lower in _NOT_NOTED_WHEN_NEW else "INSERT OR UPDATE OR DELETE"
    arguments = ", ".join(f"'{word}'" for word in _words(model))
    return (
        f"CREATE OR REPLACE TRIGGER audit_note AFTER {moments} ON {quote(model._meta.db_table)} FOR EACH ROW"
        f" WHEN (coalesce(current_setting('{_ACTOR}', true), '') <> '') EXECUTE FUNCTION audit_note({arguments})"
    )


def model_of(entry: AuditEntry) -> type[Model] | None:
    """The model whose table it was."""
    return next((model for model in noted_models() if model._meta.db_table == entry.table_name), None)
