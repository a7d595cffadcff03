"""How PostgreSQL stores and plans the outbox, whose rows are claimed and updated once each while it grows."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("robots", "0001_initial")]
    operations = [
        # Room on each page for the version that a claim writes: nothing it changes is indexed, so no index is touched. That is
        # two thirds of what a claim cost.
        migrations.RunSQL(
            "ALTER TABLE robots_outboxmessage SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02)",
            "ALTER TABLE robots_outboxmessage RESET (fillfactor, autovacuum_vacuum_scale_factor)",
        ),
        # When nothing waits, statistics say that nothing ever does, and the first minute of a launch is planned for one row.
        # Without statistics of these columns, a fixed share of the table as it is now is assumed to wait.
        migrations.RunSQL(
            "ALTER TABLE robots_outboxmessage ALTER status SET STATISTICS 0, ALTER is_held SET STATISTICS 0",
            "ALTER TABLE robots_outboxmessage ALTER status SET STATISTICS -1, ALTER is_held SET STATISTICS -1",
        ),
    ]
