"""Triggers that models declare: each is installed as it is declared, and cannot be switched off by a session."""

import re

import pgtrigger
import pytest
from django.apps import apps
from django.db import IntegrityError, InternalError, connection, transaction
from pgtrigger.core import INSTALLED

from earnings.models import LedgerEntry
from groups.models import ArticlePrice, StarPlan
from tests.factories.money import credit
from tests.factories.people import UserFactory
from tests.support.paths import PROJECT

pytestmark = pytest.mark.django_db

DECLARED = {trigger.get_uri(model): (model, trigger) for model, trigger in pgtrigger.registered()}
LEDGER_PAGE = (PROJECT / "docs/ledger.md").read_text()
MONEY_MODELS = [*apps.get_app_config("earnings").get_models(), StarPlan, ArticlePrice]


def named_in_the_table_of_rules() -> set[str]:
    rows = LEDGER_PAGE.split("| rule | enforced by |")[1].split("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.rsplit("|", 2)[1])}


@pytest.mark.parametrize("uri", DECLARED)
def test_a_declared_trigger_is_in_the_database_as_it_is_declared(uri: str):
    model, trigger = DECLARED[uri]
    assert trigger.get_installation_status(model) == (INSTALLED, True)


def test_every_trigger_of_the_database_is_declared_on_a_model_or_writes_the_audit_log():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname <> 'audit_note'")
        names = {name for (name,) in cursor.fetchall()}
    assert names == {trigger.get_pgid(model) for model, trigger in DECLARED.values()}


def test_a_session_cannot_switch_a_trigger_off():
    credit(UserFactory(), "5")
    refused = pytest.raises((IntegrityError, InternalError), match="append-only")
    with pgtrigger.ignore("earnings.LedgerEntry:append_only"), refused, transaction.atomic():
        LedgerEntry.objects.all().delete()


def test_every_trigger_that_guards_money_is_in_the_table_of_docs_ledger():
    triggers = {trigger.name for model in MONEY_MODELS for trigger in getattr(model._meta, "triggers", [])}
    assert triggers - named_in_the_table_of_rules() == set()


def test_the_table_of_docs_ledger_names_rules_that_exist():
    options = [model._meta for model in MONEY_MODELS]
    rules = {rule.name for option in options for rule in (*option.constraints, *getattr(option, "triggers", []))}
    assert named_in_the_table_of_rules() - rules == {"idempotency_key"}  # a unique column
