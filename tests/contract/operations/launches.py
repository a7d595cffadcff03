"""Rows of launches and mass messages. (launches)"""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.contract.objects import Objects
from tests.contract.table import Operation, Rows, also_as, body, path, query
from tests.contract.types import INTEGER, SWITCH, TEXT, TIME, UUID, Type, nullable
from tests.factories.launches import TEXT as MESSAGE_TEXT

_RULES = "tests/launches/test_mass_messages.py"
_HISTORY_RULES = "tests/launches/test_launch_switches_and_history.py"
_CONTENT = {"type": INTEGER, "content": TEXT, "title": TEXT, "desc": TEXT, "url": TEXT}
_STATUS = Type("0 to 2", lambda value: value in (0, 1, 2), ("integer",))
_HISTORY = Operation(
    45,
    "GET",
    "/launch/switch",
    "user",
    given=("launch",),
    answer=[{"task_id": UUID, "send_date": TIME, "group_count": INTEGER, "send_flag": SWITCH}],
    paged=True,
    rules=_HISTORY_RULES,
)


def _completed(objects: Objects) -> dict[str, Any]:
    tomorrow = timezone.localtime() + timedelta(days=1)
    groups = [str(objects.group.pk)]
    return {
        "task_id": objects.draft.pk,
        "message": MESSAGE_TEXT,
        "group_ids": groups,
        "send_date": f"{tomorrow:%F %T}",
    }


ROWS: Rows = [
    Operation(
        44,
        "PUT",
        "/launch/switch",
        "user",
        params=(body("code", longest=128, refers_to="group"), body("rcv_task_flag", "integer", enum=(0, 1))),
        good=lambda objects: {"code": objects.group.code, "rcv_task_flag": 0},
        answer=SWITCH,
        codes=(1101, 1404),
        or_list=True,
        rules=_HISTORY_RULES,
    ),
    _HISTORY,
    also_as(_HISTORY, path="/launch/history"),
    Operation(
        46,
        "GET",
        "/launch/history/detail",
        "user",
        params=(query("task_id", longest=128, refers_to="launch"),),
        good=lambda objects: {"task_id": objects.launch.pk},
        answer={
            "groups": [TEXT],
            "materials": [
                {
                    "url": nullable(TEXT),
                    "type": INTEGER,
                    "title": nullable(TEXT),
                    "content": nullable(TEXT),
                    "filePath": nullable(TEXT),
                }
            ],
            "send_date": TIME,
        },
        codes=(1404,),
        rules=_HISTORY_RULES,
    ),
    Operation(
        52,
        "GET",
        "/tasks/{task_id}",
        "user",
        params=(path("task_id", refers_to="draft"),),
        good=lambda objects: {"task_id": objects.draft.pk},
        answer={"id": UUID, "content": _CONTENT},
        codes=(1404,),
        rules=_RULES,
    ),
    Operation(
        53,
        "PUT",
        "/tasks/{task_id}",
        "user",
        params=(
            path("task_id", refers_to="draft"),
            body("message", "object"),
            body("message.type", "integer", enum=(3, 6, 8, 11)),
            body("message.content", required=False, longest=4000, blank=True),
            body("message.title", required=False, longest=200, blank=True),
            body("message.desc", required=False, longest=500, blank=True),
            body("message.url", required=False, longest=2048, blank=True),
            body("group_ids", "commas", longest=500),
            body("send_date", "moment"),
        ),
        good=_completed,
        codes=(1404, 1409, 2003, 2004, 2005),
        rules=_RULES,
    ),
    Operation(
        54,
        "GET",
        "/tasks/messages",
        "user",
        params=(query("direction", enum=("up", "down")),),
        good={"direction": "up"},
        given=("mass_message",),
        answer=[{"id": UUID, "send_date": TIME, "group_counts": INTEGER, "status": _STATUS}],
        paged=True,
        rules=_RULES,
    ),
    Operation(
        55,
        "GET",
        "/tasks/{task_id}/message",
        "user",
        params=(path("task_id", refers_to="mass_message"),),
        good=lambda objects: {"task_id": objects.mass_message.pk},
        answer={"groups_info": [{"id": UUID, "name": TEXT}], "content": [_CONTENT], "send_date": TIME},
        codes=(1404,),
        rules=_RULES,
    ),
    Operation(
        56,
        "DELETE",
        "/tasks/{task_id}",
        "user",
        params=(path("task_id", refers_to="mass_message"),),
        good=lambda objects: {"task_id": objects.mass_message.pk},
        codes=(1404, 1409),
        rules=_RULES,
    ),
    Operation(
        62,
        "POST",
        "/task/receive",
        "service:launches:write",
        params=(
            body("taskId", longest=128),
            body("groupIds", "commas", longest=50_000),
            body("content", "object"),
            body("content.items", "list", longest=20),
            body("content.items.0.type", "integer", enum=(1, 2, 3, 4)),
            body("content.items.0.content", required=False, longest=4000, blank=True, null=True),
            body("content.items.0.title", required=False, longest=200, blank=True, null=True),
            body("content.items.0.filePath", required=False, longest=2048, blank=True, null=True),
            body("content.items.0.url", required=False, longest=2048, blank=True, null=True),
        ),
        good=lambda objects: {
            "taskId": "task-1",
            "groupIds": [objects.group.code],
            "content": {"items": [{"type": 1, "content": "大家好", "title": "", "filePath": "", "url": ""}]},
        },
        codes=(1409,),
        rules="tests/launches/test_launch_intake.py",
    ),
]
