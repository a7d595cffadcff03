# Written by hand: the receiver of an ended payout may be erased, but not replaced.

from importlib import import_module

from django.db import migrations

GUARDS = """
CREATE OR REPLACE FUNCTION withdrawal_guard_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status = 0 AND NEW.first_approved_by = '' THEN RETURN NEW; END IF;
    ELSIF (NEW.user_id, NEW.amount, NEW.asked_at, NEW.asked_day) IS DISTINCT FROM
          (OLD.user_id, OLD.amount, OLD.asked_at, OLD.asked_day)
        OR ((NEW.open_id, NEW.app_id) IS DISTINCT FROM (OLD.open_id, OLD.app_id)
            AND NOT (OLD.status IN (2, 3, 4) AND (NEW.open_id, NEW.app_id) = ('', ''))) THEN
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

CREATE OR REPLACE FUNCTION payout_guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.sent_at IS NOT NULL AND (NEW.open_id, NEW.app_id, NEW.sent_at) IS DISTINCT FROM
       (OLD.open_id, OLD.app_id, OLD.sent_at)
        AND NOT (OLD.ended_at IS NOT NULL AND (NEW.open_id, NEW.app_id, NEW.sent_at) = ('', '', OLD.sent_at)) THEN
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
GUARDS_BEFORE = (
    import_module("earnings.migrations.0012_receiver_of_withdrawals").GUARDS
    + import_module("earnings.migrations.0015_count_withdrawals_of_a_day_together").GUARD
)


class Migration(migrations.Migration):
    dependencies = [
        ("earnings", "0015_count_withdrawals_of_a_day_together"),
    ]

    operations = [
        migrations.RunSQL(GUARDS, GUARDS_BEFORE),
    ]
