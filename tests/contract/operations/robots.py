"""Rows of robots and integrations: assigning robots, gateway events and SMS."""

from tests.contract.table import Operation, Rows, body
from tests.contract.types import BLANK, INTEGER, TEXT, UUID

_ROBOTS = "tests/robots/test_assignment.py"

ROWS: Rows = [
    Operation(
        6,
        "POST",
        "/sms/delivery/batch",
        "service:sms:send",
        params=(body("phones", "commas", longest=1000), body("content", longest=500)),
        good={"phones": ["15200001234", "15200005678"], "content": "升级通知"},
        rules="tests/integrations/test_sms_batches.py",
    ),
    Operation(
        11,
        "POST",
        "/robot/undistributable",
        "service:robots:write",
        params=(body("robot_id", longest=128, refers_to="robot", theirs=False),),
        good=lambda objects: {"robot_id": objects.robot.code},
        answer=BLANK,
        codes=(1404,),
        rules="tests/robots/test_users_robots.py",
    ),
    Operation(
        14,
        "GET",
        "/robot/show",
        "user",
        answer={"robot_id": UUID, "robot_name": TEXT, "qr_code": TEXT, "head_url": TEXT, "wechat_no": TEXT},
        codes=(1600,),
        rules="tests/robots/test_users_robots.py",
    ),
    Operation(
        35,
        "GET",
        "/user/robots",
        "user",
        given=("alice",),
        answer=[{"id": UUID, "name": TEXT, "wechat_no": TEXT}],
        rules="tests/robots/test_users_robots.py",
    ),
    Operation(
        47,
        "POST",
        "/robot/distribution",
        "proof",
        params=(
            body("open_id", longest=128, blank=True, null=True),
            body("union_id", longest=128),
            body("sharing_user_id", "any", required=False, null=True),
            body("channel", "any", required=False, null=True),
        ),
        good=lambda objects: {
            "open_id": "open-new",
            "union_id": "union-new",
            "sharing_user_id": str(objects.inviter.pk),
            "channel": objects.robot.channel,
        },
        answer={"head_url": TEXT, "qr_code": TEXT, "wechat_no": TEXT, "name": TEXT},
        codes=(1600,),
        rules=_ROBOTS,
    ),
    Operation(
        None,
        "POST",
        "/gateway/events",
        "service:gateway:events",
        params=(body("event_id", longest=128), body("command", longest=64), body("body", "any")),
        good={"event_id": "contract-1", "command": "robot_added", "body": {"robot_id": "x", "user_id": "y"}},
        answer={
            "stored": INTEGER,
            "refused": [{"index": INTEGER, "reason": TEXT}],
            "warnings": [{"index": INTEGER, "field": TEXT, "reason": TEXT}],
        },
        or_list=True,
        rules="tests/integrations/test_inbox.py",
    ),
]
