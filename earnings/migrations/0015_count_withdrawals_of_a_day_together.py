from decimal import Decimal
from importlib import import_module

from django.db import migrations, models

# As before, and the amount of a withdrawal is summed with all that its user may be paid within 24 hours.
GUARD = """
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
    ELSIF (OLD.status, NEW.status) = (0, 1) AND OLD.first_approved_by = '' AND NEW.amount + (
        SELECT coalesce(sum(amount), 0) FROM earnings_withdrawal o
        WHERE o.user_id = NEW.user_id AND o.id <> NEW.id AND (o.status = 0 OR o.status IN (1, 3) AND (
            o.reviewed_at > NEW.reviewed_at - interval '24 hours'
            OR o.asked_at > NEW.asked_at - interval '24 hours' AND o.asked_at < NEW.asked_at + interval '24 hours'
        ))
    ) > (SELECT second_approval_above FROM earnings_earningsrules) THEN
        RAISE EXCEPTION 'a withdrawal this large is approved by two operators'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'large_withdrawal_has_two_approvals';
    ELSIF NEW.status = OLD.status
        OR (OLD.status, NEW.status) IN ((0, 1), (0, 2), (1, 2), (1, 3), (1, 4)) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a withdrawal does not go from % to %', CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'withdrawal_moves_one_way';
END $$;
"""
GUARDS_BEFORE = import_module("earnings.migrations.0012_receiver_of_withdrawals").GUARDS


class Migration(migrations.Migration):
    dependencies = [
        ("earnings", "0014_rule_changes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="earningsrules",
            name="second_approval_above",
            field=models.DecimalField(
                blank=True,
                decimal_places=2,
                default=Decimal("200"),
                help_text="一名用户待审核的和 24 小时内通过的提现合计计算，超过时要两名不同的运营人员通过才打款；留空表示一人即可",
                max_digits=8,
                null=True,
                verbose_name="超过此金额需两人审核(元)",
            ),
        ),
        migrations.RunSQL(GUARD, GUARDS_BEFORE),
    ]
