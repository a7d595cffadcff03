"""How PostgreSQL stores the paid days, which are all updated once a night."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("groups", "0002_star_plans_and_article_price")]
    operations = [
        # Room on each page for the next version of each row, so that counting a day touches no index.
        migrations.RunSQL(
            "ALTER TABLE groups_paiddays SET (fillfactor = 45)", "ALTER TABLE groups_paiddays RESET (fillfactor)"
        ),
    ]
