"""Rows of reporting problems and of customer service. (feedback)"""

from dataclasses import replace

from django.conf import settings
from django.utils import timezone

from integrations.aliyun.customer_service import digest_of
from tests.contract.table import Call, Operation, Rows, also_as, as_json, body, query
from tests.contract.types import INTEGER, TEXT, TIME, UUID, nullable

_CATEGORY = {"id": UUID, "title": TEXT, "seq_no": INTEGER, "type": INTEGER}
_RULES = "tests/feedback/test_problems.py"


def _signed(call: Call) -> Call:
    timestamp = str(int(timezone.now().timestamp() * 1000))
    digest = digest_of(as_json(call.body), timestamp, settings.ALIYUN_CS_KEY)
    return replace(call, query={"timestamp": timestamp, "digest": digest} | call.query)


_FILTERS = (
    body("phone", required=False, longest=11),
    body("problem_id", required=False, longest=64),
    body("robot_code", required=False, longest=128),
    body("group_name", required=False, longest=200),
    body("commit_date_begin", "moment", required=False),
    body("commit_date_end", "moment", required=False),
)
_FILTERED = {"commit_date_begin": "2026-01-01", "commit_date_end": "2099-01-01 00:00:00"}
_CATEGORIES = Operation(36, "GET", "/admin/problems", "public", answer=[_CATEGORY], rules=_RULES)

ROWS: Rows = [
    _CATEGORIES,
    also_as(_CATEGORIES, path="/problems", credential="user"),
    Operation(
        37,
        "POST",
        "/user/problem",
        "user",
        params=(
            body("problem_catgory", longest=128, refers_to="category", theirs=False),
            body("robot_id", required=False, longest=128, blank=True, null=True, refers_to="robot", theirs=False),
            body("group_name", required=False, longest=200, blank=True, null=True),
            body("description", required=False, longest=1000, blank=True, null=True),
        ),
        good=lambda objects: {
            "problem_catgory": str(objects.category.pk),
            "robot_id": objects.robot.code,
            "group_name": "测试群",
            "description": "",
        },
        answer=[_CATEGORY],
        codes=(1404,),
        rules=_RULES,
    ),
    Operation(
        59,
        "POST",
        "/admin/problem/feedback",
        "service:backoffice:read",
        params=_FILTERS,
        good=_FILTERED,
        answer=[
            {
                "phone": nullable(TEXT),
                "nickname": TEXT,
                "title": TEXT,
                "code": nullable(TEXT),
                "name": nullable(TEXT),
                "wechat_no": nullable(TEXT),
                "robot_info": nullable(TEXT),
                "group_name": nullable(TEXT),
                "description": nullable(TEXT),
                "create_date": TIME,
            }
        ],
        paged=True,
        largest_page=500,
        rules="tests/feedback/test_problem_list.py",
    ),
    Operation(
        None,
        "POST",
        "/admin/problem/feedback/export",
        "service:backoffice:read",
        params=_FILTERS,
        good=_FILTERED,
        shape="workbook",
        rules="tests/feedback/test_problem_list.py",
    ),
    Operation(
        60,
        "POST",
        "/aliyun/callback",
        "signed",
        params=(
            query("timestamp", longest=20),
            query("digest", longest=64),
            body("userId", longest=128),
            body("msgType", longest=64),
            body("content", required=False, longest=4000, blank=True),
        ),
        good=lambda objects: {"userId": objects.alice.code, "msgType": "text", "content": "您好"},
        codes=(1401, 1409),
        finish=_signed,
        rules="tests/feedback/test_callback.py",
    ),
]
