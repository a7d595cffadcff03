from importlib import import_module

from django.conf import settings
from django.db import migrations, models

# The receiver of a payout that was sent already, otherwise the user's present WeChat account.
KEEP_RECEIVERS = """
UPDATE earnings_withdrawal w SET open_id = r.open_id, app_id = r.app_id
FROM (
    SELECT w.id,
        CASE WHEN p.sent_at IS NOT NULL THEN p.open_id ELSE u.open_id END AS open_id,
        CASE WHEN p.sent_at IS NOT NULL THEN p.app_id
             WHEN u.app_id = ANY(%s) THEN u.app_id
             ELSE %s END AS app_id
    FROM earnings_withdrawal w JOIN accounts_user u ON u.id = w.user_id
    LEFT JOIN earnings_payout p ON p.withdrawal_id = w.id
) r
WHERE r.id = w.id AND r.open_id <> '' AND r.app_id <> '';
"""
GUARDS = """
CREATE OR REPLACE FUNCTION withdrawal_guard_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status = 0 AND NEW.first_approved_by = '' THEN RETURN NEW; END IF;
    ELSIF (NEW.user_id, NEW.amount, NEW.asked_at, NEW.asked_day, NEW.open_id, NEW.app_id) IS DISTINCT FROM
          (OLD.user_id, OLD.amount, OLD.asked_at, OLD.asked_day, OLD.open_id, OLD.app_id) THEN
        RAISE EXCEPTION 'what was asked is not changed afterwards'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'withdrawal_request_is_fixed';
    ELSIF OLD.first_approved_by <> '' AND (NEW.first_approved_by, NEW.first_approved_at) IS DISTINCT FROM
          (OLD.first_approved_by, OLD.first_approved_at) THEN
        RAISE EXCEPTION 'who approved first is not changed afterwards'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'first_approval_is_fixed';
    ELSIF (OLD.status, NEW.status) = (0, 1) AND OLD.first_approved_by = '' AND NEW.amount > (
        SELECT second_approval_above FROM earnings_earningsrules
    ) THEN
        RAISE EXCEPTION 'a withdrawal this large is approved by two operators'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'large_withdrawal_has_two_approvals';
    ELSIF NEW.status = OLD.status
        OR (OLD.status, NEW.status) IN ((0, 1), (0, 2), (1, 2), (1, 3), (1, 4)) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a withdrawal does not go from % to %', CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'withdrawal_moves_one_way';
END $$;

CREATE OR REPLACE FUNCTION payout_guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.sent_at IS NOT NULL AND (NEW.open_id, NEW.app_id, NEW.sent_at) IS DISTINCT FROM
       (OLD.open_id, OLD.app_id, OLD.sent_at) THEN
        RAISE EXCEPTION 'a payout that was sent keeps its receiver'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'sent_payout_keeps_its_receiver';
    END IF;
    IF OLD.sent_at IS NULL AND NEW.sent_at IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM earnings_withdrawal w
        WHERE w.id = NEW.withdrawal_id AND (w.open_id, w.app_id) = (NEW.open_id, NEW.app_id)
    ) THEN
        RAISE EXCEPTION 'a payout is sent to the receiver that was asked for'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payout_goes_to_the_receiver_asked_for';
    END IF;
    IF NEW.state = OLD.state OR (OLD.state, NEW.state) IN (
        ('prepared', 'sent'), ('prepared', 'withdrawn'), ('sent', 'waiting_user'), ('sent', 'succeeded'),
        ('sent', 'failed'), ('waiting_user', 'succeeded'), ('waiting_user', 'failed')
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a payout does not go from % to %', OLD.state, NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = 'payout_moves_one_way';
END $$;
"""
GUARDS_BEFORE = import_module("earnings.migrations.0004_two_operators_and_pauses").GUARDS


def keep_receivers(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(KEEP_RECEIVERS, [list(settings.WECHAT_APPS), settings.WECHAT_PAY_APP_ID])


class Migration(migrations.Migration):

    dependencies = [
        ('earnings', '0011_more_backoffice_filters'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='withdrawal',
            name='app_id',
            field=models.CharField(blank=True, max_length=64, verbose_name='收款 app_id'),
        ),
        migrations.AddField(
            model_name='withdrawal',
            name='open_id',
            field=models.CharField(blank=True, max_length=128, verbose_name='收款 open_id'),
        ),
        migrations.RunPython(keep_receivers, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='withdrawal',
            index=models.Index(condition=models.Q(('open_id', ''), _negated=True), fields=['open_id', 'app_id', 'user'], name='withdrawals_by_receiver'),
        ),
        migrations.AddConstraint(
            model_name='withdrawal',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('app_id', ''), ('open_id', '')), models.Q(models.Q(('open_id', ''), _negated=True), models.Q(('app_id', ''), _negated=True)), _connector='OR'), name='receiver_has_open_id_and_app_id'),
        ),
        migrations.RunSQL(GUARDS, GUARDS_BEFORE),
    ]
