"""GET /profit and GET /profit/slip of an account with 100,000 entries against one with 100.

Both have entries of all five kinds for each of the last days: one for twenty thousand days, the other for twenty.
"""

from django.db import connection
from django.utils import timezone

from accounts.models import User
from earnings import ledger
from earnings.models import Account
from tests.benchmarks.harness import compare, run
from tests.factories.people import UserFactory
from tests.support.client import ApiClient

CALLS = 60
_EARN = """
WITH days AS (
    SELECT gen_random_uuid() AS id, %(today)s::date - n AS day FROM generate_series(0, %(days)s - 1) n
), posted AS (
    INSERT INTO earnings_ledgertransaction (id, kind, idempotency_key, day, posted_at, posted_by, reason)
    SELECT id, 'settlement', %(idempotency_key)s || day, day, now(), '', '' FROM days
)
INSERT INTO earnings_ledgerentry (transaction_id, account_id, bucket, amount, income_type, day)
SELECT id, %(account)s::uuid, 'available', 0.25, income_type, day FROM days CROSS JOIN generate_series(0, 4) income_type
UNION ALL SELECT id, %(rewards)s::uuid, 'available', -1.25, NULL, day FROM days
"""


def earner(days: int) -> User:
    user = UserFactory()
    params = {
        "today": timezone.localdate(),
        "days": days,
        "idempotency_key": f"bench:{user.pk}:",
        "account": str(ledger.account_of(user).pk),
        "rewards": str(ledger.platform_account(Account.Kind.REWARDS).pk),
    }
    with connection.cursor() as cursor:
        cursor.execute(_EARN, params)
    return user


def client(days: int) -> ApiClient:
    """Return the client of a user with entries for this number of days."""
    signed_in = ApiClient(earner(days))
    signed_in.http.defaults["SERVER_NAME"] = "127.0.0.1"
    return signed_in


def main() -> None:
    many, few = client(20_000), client(20)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    for path in ("/profit", "/profit/slip"):

        def ours(path: str = path) -> None:
            for _ in range(CALLS):
                assert many.get(path)["code"] == 1200

        def floor(path: str = path) -> None:
            for _ in range(CALLS):
                assert few.get(path)["code"] == 1200

        compare(f"GET {path}, 100,000 entries against 100", ours=ours, floor=floor, at_least=1 / 1.1, rounds=9)


if __name__ == "__main__":
    run(main)
