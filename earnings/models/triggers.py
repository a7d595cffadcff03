"""The bodies of the longer trigger functions of the ledger and of withdrawals (PL/pgSQL), before `with_values`."""

# Only this trigger updates the totals of users' accounts. A statement trigger with a transition table costs the same for 2 rows
# and for 100,000.
APPLY_ENTRIES = """
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
    -- In primary-key order, as every function locks accounts, so that two postings never wait for each other.
    PERFORM 1 FROM earnings_account a
        WHERE a.id IN (SELECT account_id FROM fresh) AND a.kind = {account_user} ORDER BY a.id FOR UPDATE;
    UPDATE earnings_account a SET
        available = a.available + s.available,
        withdrawing = a.withdrawing + s.withdrawing,
        earned = a.earned + s.earned
    FROM (
        SELECT account_id,
               coalesce(sum(amount) FILTER (WHERE bucket = {bucket_available}), 0) AS available,
               coalesce(sum(amount) FILTER (WHERE bucket = {bucket_withdrawing}), 0) AS withdrawing,
               coalesce(sum(amount) FILTER (WHERE income_type IS NOT NULL), 0) AS earned
        FROM fresh GROUP BY account_id
    ) s WHERE a.id = s.account_id AND a.kind = {account_user};
    RETURN NULL;
"""
TRANSACTION_HAS_ENTRIES = """
    IF (SELECT count(*) < 2 OR sum(amount) <> 0 FROM earnings_ledgerentry WHERE transaction_id = NEW.id) THEN
        RAISE EXCEPTION 'a transaction has at least two entries that add up to nothing'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transaction_is_balanced';
    END IF;
    RETURN NULL;
"""
# A transaction is reversed as a whole or account by account, never both, and a reversal is its opposite, so the parts never
# exceed the whole. Two concurrent reversals of one transaction wait for each other.
GUARD_REVERSAL = """
    PERFORM 1 FROM earnings_ledgertransaction WHERE id = NEW.reverses_id FOR NO KEY UPDATE;
    IF EXISTS (
        SELECT 1 FROM earnings_ledgertransaction t WHERE t.reverses_id = NEW.reverses_id
            AND (t.reverses_account_id IS NULL) <> (NEW.reverses_account_id IS NULL)
    ) THEN
        RAISE EXCEPTION 'a transaction is reversed as a whole or in parts'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'reversal_is_whole_or_in_parts';
    END IF;
    RETURN NEW;
"""
REVERSAL_IS_OPPOSITE = """
    IF EXISTS (
        SELECT 1 FROM earnings_ledgerentry e JOIN earnings_account a ON a.id = e.account_id
        WHERE a.kind = {account_user} AND (e.transaction_id = NEW.id OR (e.transaction_id = NEW.reverses_id
            AND (NEW.reverses_account_id IS NULL OR e.account_id = NEW.reverses_account_id)))
        GROUP BY e.account_id, e.bucket, e.income_type HAVING sum(e.amount) <> 0
    ) THEN
        RAISE EXCEPTION 'a reversal is the opposite of what it reverses'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'reversal_is_the_opposite';
    END IF;
    RETURN NULL;
"""
# The same sum as `WithdrawalQuerySet.with_total`.
LARGE_WITHDRAWAL_HAS_TWO_APPROVALS = """
    IF NEW.amount + (
        SELECT coalesce(sum(amount), 0) FROM earnings_withdrawal o
        WHERE o.user_id = NEW.user_id AND o.id <> NEW.id AND (
            o.status = {status_to_review} OR o.status IN ({status_paying}, {status_paid}) AND (
                o.reviewed_at > NEW.reviewed_at - interval '24 hours'
                OR o.asked_at > NEW.asked_at - interval '24 hours' AND o.asked_at < NEW.asked_at + interval '24 hours'
            )
        )
    ) > (SELECT second_approval_above FROM earnings_earningsrules) THEN
        RAISE EXCEPTION 'a withdrawal this large is approved by two operators'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'large_withdrawal_has_two_approvals';
    END IF;
    RETURN NEW;
"""
PAYOUT_GOES_TO_THE_RECEIVER = """
    IF NOT EXISTS (
        SELECT 1 FROM earnings_withdrawal w
        WHERE w.id = NEW.withdrawal_id AND (w.open_id, w.app_id) = (NEW.open_id, NEW.app_id)
    ) THEN
        RAISE EXCEPTION 'a payout is sent to the receiver that was asked for'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payout_goes_to_the_receiver_asked_for';
    END IF;
    RETURN NEW;
"""
