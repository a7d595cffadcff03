"""The SQL of the operations as it is written without a framework."""

_SIGNED_IN = """
    u.id = %(user)s::uuid AND u.is_active AND NOT u.is_staff
    AND (u.signed_out_at IS NULL OR u.signed_out_at < %(issued_at)s)
"""
_TODAY = "(now() AT TIME ZONE 'Asia/Shanghai')::date"
_PAGE = "LIMIT %(limit)s OFFSET %(offset)s"


def _time(column: str, form: str = "YYYY-MM-DD HH24:MI:SS") -> str:
    return f"to_char({column} AT TIME ZONE 'Asia/Shanghai', '{form}')"


def _count(rows: str) -> str:
    """Return a statement that counts rows for a user who is signed in."""
    return f"SELECT (SELECT count(*) FROM {rows}) FROM accounts_user u WHERE {_SIGNED_IN}"


_RATED = """
    groups_group g WHERE g.user_id = %(user)s::uuid AND g.cancelled_at IS NULL
        AND (g.star IS NOT NULL OR g.is_legacy)
"""
GROUPS_COUNT = _count(_RATED)
GROUPS = f"""
SELECT g.code, g.name, coalesce(d.day_count, 0), g.star, coalesce(nullif(g.robot_nickname, ''), r.name),
    g.launch_switch::int, {_time("g.bound_at", "YYYY-MM-DD")},
    CASE WHEN g.launch_switch OR g.is_legacy OR coalesce(d.day_count, 0) < plan.income_days THEN '收益中' ELSE '未收益' END,
    (plan.daily_profit * plan.income_days)::float8,
    coalesce((
        SELECT amount FROM groups_articleprice WHERE valid_from <= {_TODAY} ORDER BY valid_from DESC LIMIT 1
    ), 0)::float8,
    g.is_legacy::int
FROM groups_group g
JOIN robots_robot r ON r.id = g.robot_id
LEFT JOIN groups_paiddays d ON d.group_id = g.id
LEFT JOIN LATERAL (
    SELECT p.income_days, p.daily_profit FROM groups_starplan p
    WHERE p.star = g.star AND p.valid_from <= {_TODAY} AND (p.valid_to IS NULL OR p.valid_to >= {_TODAY})
    ORDER BY p.valid_from DESC LIMIT 1
) plan ON true
WHERE g.user_id = %(user)s::uuid AND g.cancelled_at IS NULL AND (g.star IS NOT NULL OR g.is_legacy)
ORDER BY g.bound_at DESC, g.id {_PAGE}
"""
KEYWORDS = f"""
SELECT b.id::text, ARRAY(SELECT jsonb_array_elements_text(b.keywords)), cardinality(c.codes), b.reply_content,
    b.trigger_count, c.codes
FROM accounts_user u
JOIN keywords_keywordbatch b ON b.user_id = u.id
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT g.code::text), '{{}}') AS codes
    FROM keywords_groupkeyword k JOIN groups_group g ON g.id = k.group_id
    WHERE k.batch_id = b.id AND g.cancelled_at IS NULL
) c
WHERE {_SIGNED_IN} ORDER BY b.created_at DESC, b.id
"""
_MENTIONS = """
    groups_mention m JOIN groups_group g ON g.id = m.group_id
    WHERE m.user_id = %(user)s::uuid AND m.mentioned_at >= now() - interval '3 days' AND g.cancelled_at IS NULL
"""
MENTIONS_COUNT = _count(_MENTIONS)
MENTIONS = f"""
SELECT m.message_id::text, g.name, coalesce(s.content ->> 'content', ''), m.group_id::text, g.code,
    (m.read_at IS NOT NULL)::int
FROM groups_mention m JOIN groups_group g ON g.id = m.group_id JOIN groups_groupmessage s ON s.id = m.message_id
WHERE m.user_id = %(user)s::uuid AND m.mentioned_at >= now() - interval '3 days' AND g.cancelled_at IS NULL
ORDER BY m.mentioned_at DESC, m.message_id DESC {_PAGE}
"""
_MASS_MESSAGES = """
    launches_massmessage m
    WHERE m.user_id = %(user)s::uuid AND m.status <> 3 AND m.send_at > now() AND m.send_at <= now() + interval '7 days'
"""
MASS_MESSAGES_COUNT = _count(_MASS_MESSAGES)
MASS_MESSAGES = f"""
SELECT m.id::text, {_time("m.send_at")},
    (SELECT count(*) FROM launches_massmessagegroup g WHERE g.mass_message_id = m.id), m.status
FROM {_MASS_MESSAGES} ORDER BY m.send_at DESC, m.id {_PAGE}
"""
_LAUNCHES = """
    launches_launch l WHERE l.id IN (
        SELECT d.launch_id FROM launches_delivery d WHERE d.user_id = %(user)s::uuid AND d.status <> 3
    )
"""
LAUNCHES_COUNT = _count(_LAUNCHES)
LAUNCHES = f"""
SELECT l.id::text, {_time("l.received_at")}, d.group_count, d.is_finished
FROM (
    SELECT d.launch_id, count(*) AS group_count, (NOT bool_or(d.status = 0))::int AS is_finished
    FROM launches_delivery d WHERE d.user_id = %(user)s::uuid AND d.status <> 3 GROUP BY d.launch_id
) d
JOIN launches_launch l ON l.id = d.launch_id
ORDER BY l.received_at DESC, l.id {_PAGE}
"""
APPRENTICES_COUNT = _count("accounts_user a WHERE a.inviter_id = %(user)s::uuid")
APPRENTICES = f"""
SELECT a.has_group, a.has_apprentice, {_time("a.created_at")}, a.nickname, a.id::text,
    (a.blocked_at IS NULL
        AND EXISTS (
            SELECT 1 FROM robots_friendship f JOIN robots_robot r ON r.id = f.robot_id
            WHERE f.user_id = a.id AND r.status IN (1, 2)
        )
        AND NOT (a.has_group AND a.has_apprentice)
        AND NOT EXISTS (
            SELECT 1 FROM groups_reminder m
            WHERE m.user_id = a.id AND m.day = {_TODAY} AND m.kind = CASE WHEN a.has_group THEN 2 ELSE 1 END
        ))::int
FROM (
    SELECT a.id, a.nickname, a.created_at, a.blocked_at,
        EXISTS (SELECT 1 FROM groups_group g WHERE g.user_id = a.id) AS has_group,
        EXISTS (SELECT 1 FROM accounts_user b WHERE b.inviter_id = a.id) AS has_apprentice
    FROM accounts_user a WHERE a.inviter_id = %(user)s::uuid
    ORDER BY a.created_at DESC, a.id {_PAGE}
) a
ORDER BY a.created_at DESC, a.id
"""
PROFIT = f"""
SELECT a.available::text, a.earned::text, round(coalesce((
    SELECT sum(e.amount) FROM earnings_ledgerentry e
    WHERE e.account_id = a.id AND e.income_type IS NOT NULL AND e.day = {_TODAY} - 1
), 0), 2)::text
FROM accounts_user u JOIN earnings_account a ON a.user_id = u.id WHERE {_SIGNED_IN}
"""
INCOME_DAYS = f"""
SELECT to_char(e.day, 'YYYY-MM-DD'), e.income_type, sum(e.amount)
FROM accounts_user u
JOIN earnings_account a ON a.user_id = u.id
JOIN earnings_ledgerentry e ON e.account_id = a.id
WHERE e.income_type IS NOT NULL AND e.day BETWEEN {_TODAY} - 14 AND {_TODAY} AND {_SIGNED_IN}
GROUP BY e.day, e.income_type
"""
WALLET = f"""
SELECT EXISTS (SELECT 1 FROM earnings_withdrawal w WHERE w.user_id = u.id AND w.status IN (0, 1, 3)),
    a.id::text, a.user_id::text, a.available::text, a.withdrawing::text
FROM accounts_user u JOIN earnings_account a ON a.user_id = u.id WHERE {_SIGNED_IN}
"""
STATUS = "SELECT status, upgrade_end FROM config_sitestatus ORDER BY id DESC LIMIT 1"
MARQUEE = "SELECT is_shown::int, content FROM config_marquee ORDER BY id DESC LIMIT 1"
SET_SWITCH = f"""
UPDATE accounts_user u SET mentions_enabled = %(is_on)s WHERE {_SIGNED_IN} AND u.blocked_at IS NULL
RETURNING u.mentions_enabled::int
"""
# All that the refusals of a withdrawal depend on.
MAY_WITHDRAW = f"""
SELECT u.blocked_at IS NULL, u.phone IS NOT NULL, u.identity_given_at IS NOT NULL, a.available >= %(amount)s,
    EXISTS (SELECT 1 FROM earnings_withdrawal w WHERE w.user_id = u.id AND w.asked_day = {_TODAY}),
    coalesce((
        SELECT sum(w.amount) FROM earnings_withdrawal w
        WHERE w.user_id = u.id AND w.status IN (0, 1, 3) AND w.asked_day >= date_trunc('month', {_TODAY})
    ), 0) + %(amount)s <= 800
FROM accounts_user u JOIN earnings_account a ON a.user_id = u.id WHERE {_SIGNED_IN}
"""
STORE_EVENTS = """
WITH stored AS (
    INSERT INTO integrations_gatewayevent
        (event_id, command, body, ordering_key, depends_on_key, status, received_at, attempts, next_attempt_at, note)
    SELECT e.event_id, e.command, e.body, 'g:' || (e.body ->> 'group_id'), '', 0, now(), 0, now(), ''
    FROM jsonb_to_recordset(%(events)s::jsonb) AS e(event_id text, command text, body jsonb)
    WHERE EXISTS (
        SELECT 1 FROM config_apikey k
        WHERE k.key_hash = %(key_hash)s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    )
    ON CONFLICT (event_id) DO NOTHING RETURNING 1
)
SELECT count(*) FROM stored
"""
