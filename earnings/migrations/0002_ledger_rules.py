"""Triggers that enforce the rules of the ledger, of withdrawals and of their history (docs/ledger.md)."""

from django.db import migrations

# The entries of a transaction are inserted by one statement and add up to zero. Only this trigger updates the totals of
# users' accounts. A statement trigger with a transition table costs the same for 2 rows and for 100,000.
LEDGER = """
CREATE FUNCTION ledger_apply_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM earnings_ledgerentry e
        WHERE e.transaction_id IN (SELECT DISTINCT transaction_id FROM fresh)
        GROUP BY e.transaction_id HAVING sum(e.amount) <> 0
    ) THEN
        RAISE EXCEPTION 'entries of a transaction must add up to nothing'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transaction_is_balanced';
    END IF;
    IF EXISTS (
        SELECT 1 FROM fresh f JOIN earnings_ledgertransaction t ON t.id = f.transaction_id WHERE t.day <> f.day
    ) THEN
        RAISE EXCEPTION 'an entry has the day of its transaction'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_has_day_of_transaction';
    END IF;
    -- In primary-key order, as every verb locks accounts, so that two postings never wait for each other.
    PERFORM 1 FROM earnings_account a
        WHERE a.id IN (SELECT account_id FROM fresh) AND a.kind = 'user' ORDER BY a.id FOR UPDATE;
    UPDATE earnings_account a SET
        available = a.available + s.available,
        withdrawing = a.withdrawing + s.withdrawing,
        earned = a.earned + s.earned
    FROM (
        SELECT account_id,
               coalesce(sum(amount) FILTER (WHERE bucket = 'available'), 0) AS available,
               coalesce(sum(amount) FILTER (WHERE bucket = 'withdrawing'), 0) AS withdrawing,
               coalesce(sum(amount) FILTER (WHERE slip_type IS NOT NULL), 0) AS earned
        FROM fresh GROUP BY account_id
    ) s WHERE a.id = s.account_id AND a.kind = 'user';
    RETURN NULL;
END $$;
CREATE TRIGGER apply_entries AFTER INSERT ON earnings_ledgerentry
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ledger_apply_entries();

CREATE FUNCTION ledger_transaction_has_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) < 2 OR sum(amount) <> 0 FROM earnings_ledgerentry WHERE transaction_id = NEW.id) THEN
        RAISE EXCEPTION 'a transaction has at least two entries that add up to nothing'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transaction_is_balanced';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER transaction_has_entries AFTER INSERT ON earnings_ledgertransaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_transaction_has_entries();

CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: post a reversal instead', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'history_is_append_only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON earnings_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON earnings_ledgertransaction
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON earnings_withdrawalstep
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE FUNCTION ledger_guard_totals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (NEW.available, NEW.withdrawing, NEW.earned) = (0, 0, 0) THEN RETURN NEW; END IF;
    ELSIF (NEW.available, NEW.withdrawing, NEW.earned) = (OLD.available, OLD.withdrawing, OLD.earned)
        AND NEW.kind = OLD.kind AND NEW.user_id IS NOT DISTINCT FROM OLD.user_id THEN
        RETURN NEW;
    ELSIF pg_trigger_depth() > 1 THEN  -- ledger_apply_entries is at work
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'totals of an account follow from its entries only'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'totals_follow_from_entries';
END $$;
CREATE TRIGGER guard_totals BEFORE INSERT OR UPDATE ON earnings_account
    FOR EACH ROW EXECUTE FUNCTION ledger_guard_totals();
"""
WITHDRAWALS = """
CREATE FUNCTION withdrawal_guard_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status = 0 THEN RETURN NEW; END IF;
    ELSIF (NEW.user_id, NEW.amount, NEW.asked_at, NEW.asked_day) IS DISTINCT FROM
          (OLD.user_id, OLD.amount, OLD.asked_at, OLD.asked_day) THEN
        RAISE EXCEPTION 'what was asked is not changed afterwards'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'withdrawal_request_is_fixed';
    ELSIF NEW.status = OLD.status
        OR (OLD.status, NEW.status) IN ((0, 1), (0, 2), (1, 2), (1, 3), (1, 4)) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a withdrawal does not go from % to %', CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'withdrawal_moves_one_way';
END $$;
CREATE TRIGGER guard_status BEFORE INSERT OR UPDATE ON earnings_withdrawal
    FOR EACH ROW EXECUTE FUNCTION withdrawal_guard_status();

CREATE FUNCTION payout_guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = OLD.state OR (OLD.state, NEW.state) IN (
        ('prepared', 'sent'), ('prepared', 'withdrawn'), ('sent', 'waiting_user'), ('sent', 'succeeded'),
        ('sent', 'failed'), ('waiting_user', 'succeeded'), ('waiting_user', 'failed')
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a payout does not go from % to %', OLD.state, NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = 'payout_moves_one_way';
END $$;
CREATE TRIGGER guard_state BEFORE UPDATE ON earnings_payout
    FOR EACH ROW EXECUTE FUNCTION payout_guard_state();
"""
BACKWARD = """
DROP TRIGGER guard_state ON earnings_payout; DROP FUNCTION payout_guard_state();
DROP TRIGGER guard_status ON earnings_withdrawal; DROP FUNCTION withdrawal_guard_status();
DROP TRIGGER guard_totals ON earnings_account; DROP FUNCTION ledger_guard_totals();
DROP TRIGGER append_only ON earnings_withdrawalstep;
DROP TRIGGER append_only ON earnings_ledgertransaction;
DROP TRIGGER append_only ON earnings_ledgerentry; DROP FUNCTION ledger_refuse_change();
DROP TRIGGER transaction_has_entries ON earnings_ledgertransaction; DROP FUNCTION ledger_transaction_has_entries();
DROP TRIGGER apply_entries ON earnings_ledgerentry; DROP FUNCTION ledger_apply_entries();
"""


def open_the_house(apps, schema_editor):
    """Create the platform accounts and the row of rules."""
    account = apps.get_model("earnings", "Account")
    for kind in ("rewards", "paid_out"):
        account.objects.create(kind=kind)
    apps.get_model("earnings", "EarningsRules").objects.create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("earnings", "0001_initial")]
    operations = [
        migrations.RunSQL(LEDGER + WITHDRAWALS, BACKWARD),
        migrations.RunPython(open_the_house, migrations.RunPython.noop),
    ]
