"""The income that a new installation starts with: 30 days of each star's daily profit, and the price of an article read."""

from datetime import date
from decimal import Decimal

from django.db import migrations

DAILY = {1: "0.02", 2: "0.05", 3: "0.10", 4: "0.30", 5: "1.00"}
FROM = date(2018, 1, 1)


def add(apps, schema_editor):
    StarPlan = apps.get_model("groups", "StarPlan")
    for star, daily in DAILY.items():
        StarPlan.objects.create(star=star, income_days=30, daily_profit=Decimal(daily), valid_from=FROM)
    apps.get_model("groups", "ArticlePrice").objects.create(amount=Decimal("0.16"), valid_from=FROM)


class Migration(migrations.Migration):
    dependencies = [("groups", "0001_initial")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
