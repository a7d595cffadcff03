"""Rows of completing a profile, profit, withdrawals and posters. (earnings)"""

from tests.contract.operations.people import _NEWCOMER, _PROFILE
from tests.contract.table import Operation, Rows, body, path
from tests.contract.types import BOOLEAN, DAY, INTEGER, MONEY, NUMBER, TEXT, TIME, UUID, Type, nullable, optional

_WITHDRAWALS = "tests/earnings/test_withdrawals.py"
_STATE = Type(
    "state of a withdrawal",
    lambda value: (
        value
        in {
            "reviewing",
            "rejected",
            "paying",
            "to_confirm",
            "transferring",
            "cancelling",
            "checking",
            "paid",
            "failed",
        }
    ),
    ("string",),
)
_CONFIRMATION = {"withdraw_id": UUID, "app_id": TEXT, "mch_id": TEXT, "package_info": TEXT}

_FILTERS = (
    body("phone", required=False, longest=11),
    body("amount_begin", "money", required=False),
    body("amount_end", "money", required=False),
    body("withdraw_date_begin", "moment", required=False),
    body("withdraw_date_end", "moment", required=False),
    body("paid_date_begin", "moment", required=False),
    body("paid_date_end", "moment", required=False),
    body("status", "integer", required=False, enum=(0, 1, 2, 3, 4)),
    body("sort", "object", required=False),
    body("sort.sort_key", enum=("amount", "create_date", "paid_date")),
    body("sort.value", enum=("asc", "desc")),
)
_FILTERED = {"status": 0, "sort": {"sort_key": "amount", "value": "asc"}, "withdraw_date_begin": "2026-01-01"}

ROWS: Rows = [
    Operation(
        41,
        "PUT",
        "/user/{user_id}",
        "proof",
        params=(path("user_id", refers_to="contact", theirs=False), body("union_id", longest=128), *_PROFILE),
        good=lambda objects: {"user_id": objects.contact.pk, "union_id": "union-new", **_NEWCOMER},
        proven=lambda objects: {"user_id": objects.completion_key},
        answer={"red_packed": NUMBER},
        codes=(1404, 1409, 2200),
        rules="tests/accounts/test_people.py",
    ),
    Operation(
        None, "GET", "/received/redpacket", "user", answer=BOOLEAN, rules="tests/earnings/test_red_packets.py"
    ),
    Operation(
        None,
        "GET",
        "/receive/redpacket",
        "user",
        answer={"red_packet": MONEY},
        writes=True,
        rules="tests/earnings/test_red_packets.py",
    ),
    Operation(
        48,
        "GET",
        "/profit",
        "user",
        answer={"summary": {"amount": MONEY, "balance": MONEY, "yesterday_balance": MONEY}},
        rules="tests/earnings/test_settlement.py",
    ),
    Operation(
        49,
        "GET",
        "/profit/slip",
        "user",
        answer=[{"day": DAY, "balance_detail": MONEY, "detail": [{"balance": MONEY, "slip_type": INTEGER}]}],
        rules="tests/earnings/test_settlement.py",
    ),
    Operation(
        50,
        "GET",
        "/withdraw",
        "user",
        answer={
            "is_withdrawed": BOOLEAN,
            "id": UUID,
            "user_id": UUID,
            "balance_amount": MONEY,
            "withdrawing_amount": MONEY,
            "confirm": optional(_CONFIRMATION),
        },
        rules=_WITHDRAWALS,
    ),
    Operation(
        51,
        "POST",
        "/withdraw",
        "user",
        params=(body("balance", "money"),),
        good={"balance": "20"},
        codes=(2001, 2002, 3002, 3003, 3004),
        blocked_code=3004,
        rules=_WITHDRAWALS,
    ),
    *(
        Operation(
            None,
            method,
            "/payouts/{withdraw_id}/state",
            "own_proof",
            params=(path("withdraw_id", refers_to="withdrawal"),),
            good=lambda objects: {"withdraw_id": objects.withdrawal.pk},
            answer={"state": _STATE},
            codes=(1404,),
            rules="tests/earnings/test_confirmation_page.py",
        )
        for method in ("GET", "POST")
    ),
    Operation(
        58,
        "POST",
        "/admin/withdraw",
        "service:backoffice:read",
        params=_FILTERS,
        good=_FILTERED,
        answer=[
            {
                "id": UUID,
                "phone": nullable(TEXT),
                "amount": MONEY,
                "reason": nullable(TEXT),
                "create_date": TIME,
                "paid_date": nullable(TIME),
                "status": INTEGER,
            }
        ],
        paged=True,
        largest_page=500,
        rules=_WITHDRAWALS,
    ),
    Operation(
        None,
        "POST",
        "/admin/withdraw/export",
        "service:backoffice:read",
        params=_FILTERS,
        good=_FILTERED,
        shape="workbook",
        rules="tests/earnings/test_exports.py",
    ),
    Operation(
        None,
        "POST",
        "/withdraw/review",
        "service:withdrawals:review",
        params=(
            body("withdraw_id", "commas", longest=500),
            body("status", "integer", enum=(1, 2)),
            body("reason", required=False, longest=200, blank=True, null=True),
        ),
        good=lambda objects: {"withdraw_id": [str(objects.withdrawal.pk)], "status": 2, "reason": "资料不符"},
        answer={
            "approved_count": INTEGER,
            "first_approval_count": INTEGER,
            "rejected_count": INTEGER,
            "skipped": [{"withdraw_id": UUID, "reason": TEXT}],
        },
        codes=(1409,),
        rules="tests/earnings/test_reviews.py",
    ),
    Operation(
        None,
        "POST",
        "/settlement",
        "service:settlement:write",
        params=(body("settle_date", "moment"), body("data", "object")),
        good=lambda objects: {"settle_date": objects.first_day, "data": {objects.group.code: "20.14"}},
        answer={
            "settle_date": DAY,
            "group_count": INTEGER,
            "amount": MONEY,
            "referral_amount": MONEY,
            "unknown_groups": [TEXT],
            "blocked_groups": [TEXT],
        },
        codes=(1409,),
        rules="tests/earnings/test_article_reads.py",
    ),
    Operation(
        None,
        "POST",
        "/wechat/pay/notify",
        "signed",
        codes=(1401, 1403),
        code=1401,
        rules="tests/earnings/test_notifies.py",
    ),
]
