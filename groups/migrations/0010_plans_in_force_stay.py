"""A star plan or article price that is or was in force is neither changed nor deleted."""

from django.db import migrations

GUARD = """
CREATE FUNCTION in_force_stays() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    today date := (now() AT TIME ZONE 'Asia/Shanghai')::date;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW IS NOT DISTINCT FROM OLD THEN
        RETURN NEW;  -- a dump that is loaded over its own rows
    ELSIF OLD.valid_from <= today THEN
        RAISE EXCEPTION 'what is or was in force since % stays as it is', OLD.valid_from
            USING ERRCODE = 'check_violation', CONSTRAINT = 'in_force_stays';
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSIF NEW.valid_from <= today THEN
        RAISE EXCEPTION 'a change begins on a future day, not on %', NEW.valid_from
            USING ERRCODE = 'check_violation', CONSTRAINT = 'in_force_stays';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER in_force_stays BEFORE UPDATE OR DELETE ON groups_starplan
    FOR EACH ROW EXECUTE FUNCTION in_force_stays();
CREATE TRIGGER in_force_stays BEFORE UPDATE OR DELETE ON groups_articleprice
    FOR EACH ROW EXECUTE FUNCTION in_force_stays();
"""
NO_GUARD = """
DROP TRIGGER in_force_stays ON groups_starplan;
DROP TRIGGER in_force_stays ON groups_articleprice;
DROP FUNCTION in_force_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("groups", "0009_note_moves_once")]
    operations = [migrations.RunSQL(GUARD, NO_GUARD)]
