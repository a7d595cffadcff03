# Made by Django 5.2.19 on 2026-11-24 13:41

from django.db import migrations, models


# {column: [before, after]} of what changed. Secret columns are noted as changed, without their content.
NOTE = """
CREATE FUNCTION audit_note() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$;

CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only'
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'audit_is_append_only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON config_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""
FORGET = """
DROP TRIGGER append_only ON config_auditentry;
DROP FUNCTION audit_refuse_change();
DROP FUNCTION audit_note() CASCADE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ("config", "0002_site"),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('noted_at', models.DateTimeField(verbose_name='时间')),
                ('actor', models.CharField(max_length=80, verbose_name='操作人')),
                ('via', models.CharField(blank=True, max_length=200, verbose_name='入口')),
                ('action', models.CharField(choices=[('I', '新增'), ('U', '修改'), ('D', '删除'), ('E', '导出')], max_length=1, verbose_name='动作')),
                ('table_name', models.CharField(max_length=63, verbose_name='数据表')),
                ('row_id', models.CharField(blank=True, max_length=128, verbose_name='对象编号')),
                ('changes', models.JSONField(default=dict, verbose_name='变更')),
            ],
            options={
                'verbose_name': '操作日志',
                'verbose_name_plural': '操作日志',
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['table_name', 'row_id', '-id'], name='audit_of_a_row'), models.Index(fields=['actor', '-id'], name='audit_of_an_actor')],
                'constraints': [models.CheckConstraint(condition=models.Q(('actor', ''), _negated=True), name='audit_entry_names_somebody')],
            },
        ),
        migrations.CreateModel(
            name='DayFigure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64)),
                ('day', models.DateField()),
                ('value', models.DecimalField(decimal_places=2, max_digits=16)),
            ],
            options={
                'verbose_name': '每日数字',
                'verbose_name_plural': '每日数字',
                'ordering': ['name', 'day'],
                'constraints': [models.UniqueConstraint(fields=('name', 'day'), name='one_figure_per_name_and_day')],
            },
        ),
        migrations.RunSQL(NOTE, FORGET),
    ]
