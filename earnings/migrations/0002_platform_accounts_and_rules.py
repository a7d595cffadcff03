"""The two accounts of the platform, and the row of rules: days are settled from the day of the installation on."""

from django.db import migrations


def add(apps, schema_editor):
    Account = apps.get_model("earnings", "Account")
    for kind in ("rewards", "paid_out"):
        Account.objects.create(kind=kind)
    apps.get_model("earnings", "EarningsRules").objects.create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("earnings", "0001_initial")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
