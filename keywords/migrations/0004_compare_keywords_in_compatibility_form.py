from django.db import migrations

from config.platform.characters import comparable

CHUNK = 2000


def compare_anew(apps, schema_editor):
    """Write keywords in the form in which they are compared now. Of two that became the same the older one stays."""
    keywords = apps.get_model("keywords", "GroupKeyword").objects
    after = 0
    while rows := list(keywords.filter(pk__gt=after).order_by("pk")[:CHUNK]):
        after = rows[-1].pk
        for row in rows:
            form = comparable(row.folded)
            if form == row.folded:
                continue
            if not 0 < len(form) <= 96 or keywords.filter(group_id=row.group_id, folded=form).exists():
                row.delete()
            else:
                row.folded = form
                row.save(update_fields=["folded"])


class Migration(migrations.Migration):

    dependencies = [
        ("keywords", "0003_backoffice"),
    ]

    operations = [
        migrations.RunPython(compare_anew, migrations.RunPython.noop, elidable=True),
    ]
