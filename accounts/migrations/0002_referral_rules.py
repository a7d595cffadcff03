"""Triggers of the referral tree: an inviter is set once, and chains of inviters have no cycle."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION accounts_guard_inviter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.inviter_id IS NOT NULL AND NEW.inviter_id IS DISTINCT FROM OLD.inviter_id THEN
        RAISE EXCEPTION 'an inviter is set once' USING ERRCODE = 'check_violation', CONSTRAINT = 'inviter_is_set_once';
    END IF;
    IF NEW.inviter_id IS NULL OR (TG_OP = 'UPDATE' AND NEW.inviter_id IS NOT DISTINCT FROM OLD.inviter_id) THEN
        RETURN NEW;
    END IF;
    -- Two people inviting each other at the same time would each see no circle: one at a time.
    PERFORM pg_advisory_xact_lock(hashtext('accounts_user.inviter'));
    IF EXISTS (
        WITH RECURSIVE up(id, inviter_id) AS (
            SELECT u.id, u.inviter_id FROM accounts_user u WHERE u.id = NEW.inviter_id
            UNION
            SELECT u.id, u.inviter_id FROM accounts_user u JOIN up ON u.id = up.inviter_id
        ) SELECT 1 FROM up WHERE id = NEW.id
    ) THEN
        RAISE EXCEPTION 'inviters form a circle' USING ERRCODE = 'check_violation', CONSTRAINT = 'inviters_form_no_circle';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_inviter BEFORE INSERT OR UPDATE OF inviter_id ON accounts_user
    FOR EACH ROW EXECUTE FUNCTION accounts_guard_inviter();
"""
BACKWARD = "DROP TRIGGER guard_inviter ON accounts_user; DROP FUNCTION accounts_guard_inviter();"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
