"""Rows of keywords. (keywords)"""

from tests.contract.table import Operation, Rows, body, path
from tests.contract.types import INTEGER, SUCCESS, TEXT, UUID, extra

_NEW = (
    body("group_codes", "commas", longest=500),
    body("keywords", "commas", longest=50),
    body("reply_content", longest=1000),
)
_ID = body("id", longest=64, refers_to="batch", unknown=1403)
_BATCH = {
    "batch_id": UUID,
    "keywords": [TEXT],
    "bind_group_counts": INTEGER,
    "reply_content": TEXT,
    "trigger_times": INTEGER,
    "group_codes": [TEXT],
}
_RULES = "tests/keywords/test_keywords.py"

ROWS: Rows = [
    Operation(
        25,
        "POST",
        "/keywords",
        "user",
        params=_NEW,
        good=lambda objects: {"group_codes": [objects.group.code], "keywords": ["报名"], "reply_content": "看公告"},
        answer=SUCCESS,
        codes=(2003,),
        rules=_RULES,
    ),
    Operation(
        26,
        "PUT",
        "/keywords",
        "user",
        params=(_ID, *_NEW),
        good=lambda objects: {
            "id": str(objects.batch.pk),
            "group_codes": [objects.group.code],
            "keywords": ["报名", "加入"],
            "reply_content": "看公告",
        },
        answer=SUCCESS,
        codes=(2003,),
        rules=_RULES,
    ),
    Operation(
        27,
        "DELETE",
        "/keywords",
        "user",
        params=(_ID,),
        good=lambda objects: {"id": str(objects.batch.pk)},
        answer=SUCCESS,
        rules=_RULES,
    ),
    Operation(
        28,
        "GET",
        "/keywords",
        "user",
        given=("batch",),
        answer=[_BATCH],
        rules=_RULES,
    ),
    Operation(
        29,
        "GET",
        "/keywords/{id}",
        "user",
        params=(path("id", refers_to="batch", unknown=1403),),
        good=lambda objects: {"id": objects.batch.pk},
        answer={**_BATCH, "id": extra(UUID)},
        codes=(1403,),
        rules=_RULES,
    ),
]
