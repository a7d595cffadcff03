"""The audit log: actor, moment and values before and after of each change, written by triggers.

Libraries that listen to `save()` miss `queryset.update()` and plain SQL, which most service functions use. Triggers
record each changed row of a transaction in which an actor is set (docs/decisions/0005).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model

from config.models import AuditEntry
from config.platform import db

COMMAND_LINE = "命令行"  # the actor of `manage.py …`
KEY_PREFIX, LONGEST_ACTOR = "接口：", 80  # the prefix of keys as actors; the length of the column
DEVICE_TABLES = ("otp_totp_totpdevice", "otp_static_staticdevice")  # second factors
_ACTOR, _VIA = "wxrobot.actor", "wxrobot.via"
_APPS = (*settings.LOCAL_APPS, "auth", "django_celery_beat", "otp_totp", "otp_static")
# Models that are histories themselves, follow from recorded changes, or contain session keys.
_NOT_AUDITED = {
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
# Models whose rows are created by the hundred as a consequence; operators only change them.
_NOT_AUDITED_WHEN_NEW = {"robots.outboxmessage", "launches.delivery"}
# Columns whose changes are recorded without their values.
_SECRET = ("password", "identity_sealed", "identity_hash", "sealed_key", "key_hash", "key", "code_hash", "token")
_UNIMPORTANT = ("last_login", "last_used_at", "last_used_from", "last_t", "throttling_failure_timestamp")


@contextmanager
def acting(*, by: str, via: str) -> Iterator[None]:
    """Open a transaction whose changes are recorded with the actor `by`. The previous actor is restored at its end."""
    with transaction.atomic():
        before = _current_actor()
        _set_actor(by, via)
        yield
        _set_actor(*before)


@contextmanager
def unaudited() -> Iterator[None]:
    """Open a transaction that records nothing, for the erasure of values, which is recorded separately."""
    with acting(by="", via=""):
        yield


def _current_actor() -> tuple[str, str]:
    [(by, via)] = db.rows(
        "SELECT coalesce(current_setting(%s, true), ''), coalesce(current_setting(%s, true), '')", [_ACTOR, _VIA]
    )
    return by, via


def _set_actor(by: str, via: str) -> None:
    db.execute("SELECT set_config(%s, %s, true), set_config(%s, %s, true)", [_ACTOR, by, _VIA, via[:200]])


# A trigger forbids every other change of the log: values may only be replaced by the mask.
_MASK = """
UPDATE config_auditentry SET changes = (
    SELECT jsonb_object_agg(name, CASE WHEN name = ANY(%(columns)s) THEN '["•••", "•••"]'::jsonb ELSE value END)
    FROM jsonb_each(changes) AS entry(name, value)
) WHERE table_name = %(table)s AND row_id = ANY(%(rows)s) AND changes ?| %(columns)s
"""


def mask(model: type[Model], rows: Iterable[Any], columns: Sequence[str]) -> None:
    """Mask the values of these columns in all entries of these rows. The entries themselves stay."""
    db.execute(_MASK, {"table": model._meta.db_table, "rows": list(map(str, rows)), "columns": list(columns)})


def record_export(model: type[Model], *, kind: str, query: str) -> None:
    """Record the export of a list. Call it within `acting`."""
    db.execute(
        "INSERT INTO config_auditentry (noted_at, actor, via, action, table_name, row_id, changes)"
        " VALUES (now(), coalesce(current_setting(%s, true), ''), coalesce(current_setting(%s, true), ''),"
        " %s, %s, '', jsonb_build_object('file', jsonb_build_array(null, %s::text),"
        " 'filter', jsonb_build_array(null, %s::text)))",
        [_ACTOR, _VIA, AuditEntry.Action.EXPORTED, model._meta.db_table, kind, query[:500]],
    )


def audited_models() -> list[type[Model]]:
    """Return every model whose changes are recorded."""
    found = []
    for label in _APPS:
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            options = model._meta
            if options.managed and not options.proxy and options.label_lower not in _NOT_AUDITED:
                found.append(model)
    return found


# The trigger belongs to every table and to no model: also to tables of other packages and of many-to-many fields, whose models
# and migrations are not ours. It writes {column: [before, after]}; secret columns are recorded without their values.
_RECORD_CHANGE = """
CREATE OR REPLACE FUNCTION audit_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    secret text[] := string_to_array(TG_ARGV[1], ',');
    unimportant text[] := string_to_array(TG_ARGV[2], ',');
    changes jsonb;
BEGIN
    SELECT jsonb_object_agg(name, CASE WHEN name = ANY(secret) THEN '["•••", "•••"]'
                                       ELSE jsonb_build_array(before -> name, after -> name) END)
    INTO changes FROM jsonb_object_keys(before || after) AS name
    WHERE before -> name IS DISTINCT FROM after -> name AND name <> ALL(unimportant);
    IF changes IS NOT NULL THEN
        INSERT INTO config_auditentry (noted_at, actor, via, action, table_name, row_id, changes)
        VALUES (now(), current_setting('wxrobot.actor', true), coalesce(current_setting('wxrobot.via', true), ''),
                left(TG_OP, 1), TG_TABLE_NAME, left((before || after) ->> TG_ARGV[0], 128), changes);
    END IF;
    RETURN NULL;
END $$
"""


def install(**_: Any) -> None:
    """Create the trigger of every audited table. Runs after each `migrate`, so that new tables are included.

    A trigger with other arguments, for example from before a column became secret, is replaced.
    """
    tables = set(connection.introspection.table_names())
    if AuditEntry._meta.db_table not in tables:
        return
    db.execute(_RECORD_CHANGE)
    triggers = db.rows("SELECT tgrelid::regclass::text, tgargs FROM pg_trigger WHERE tgname = 'audit_note'")
    existing = {table: bytes(arguments) for table, arguments in triggers}
    for model in audited_models():
        expected = b"".join(argument.encode() + b"\x00" for argument in _arguments(model))
        if model._meta.db_table in tables and existing.get(model._meta.db_table) != expected:
            db.execute(_trigger(model))


def _arguments(model: type[Model]) -> list[str]:
    return [str(model._meta.pk.column), ",".join(_SECRET), ",".join(_UNIMPORTANT)]


def _trigger(model: type[Model]) -> str:
    quote = connection.ops.quote_name
    events = (
        "UPDATE OR DELETE" if model._meta.label_lower in _NOT_AUDITED_WHEN_NEW else "INSERT OR UPDATE OR DELETE"
    )
    arguments = ", ".join(f"'{argument}'" for argument in _arguments(model))
    return (
        f"CREATE OR REPLACE TRIGGER audit_note AFTER {events} ON {quote(model._meta.db_table)} FOR EACH ROW"
        f" WHEN (coalesce(current_setting('{_ACTOR}', true), '') <> '') EXECUTE FUNCTION audit_note({arguments})"
    )


def model_of(entry: AuditEntry) -> type[Model] | None:
    """Return the model of the changed table. Returns None when it is no longer audited."""
    return next((model for model in audited_models() if model._meta.db_table == entry.table_name), None)
