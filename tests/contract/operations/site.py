"""Rows of what clients ask before anything else, and of short links. (config)"""

from tests.contract.objects import LONG_URL
from tests.contract.table import Operation, Rows, body, path
from tests.contract.types import LINK, SUCCESS, SWITCH, TEXT, Type

_STATUS = {
    "status": Type("1 or 2", lambda value: value in (1, 2), ("integer",)),
    "upGradeEndTime": TEXT,
}

ROWS: Rows = [
    Operation(3, "GET", "/app/status", "public", answer=_STATUS, rules="tests/config/test_site.py"),
    Operation(
        4,
        "POST",
        "/app/status",
        "service:status:write",
        params=(
            body("status", "integer", enum=(1, 2)),
            body("upGradeEndTime", required=False, longest=100, blank=True, null=True),
        ),
        good={"status": 2, "upGradeEndTime": "12月17日12点"},
        answer=_STATUS,
        rules="tests/config/test_site.py",
    ),
    Operation(
        7,
        "POST",
        "/long_to_short",
        "user_or_service:links:write",
        params=(body("url", longest=2048),),
        good={"url": LONG_URL},
        answer=LINK,
        rules="tests/config/test_keys_and_links.py",
    ),
    Operation(
        12,
        "GET",
        "/app/marquee",
        "public",
        answer={"status": SWITCH, "content": TEXT},
        rules="tests/config/test_site.py",
    ),
    Operation(
        13,
        "POST",
        "/app/marquee",
        "service:marquee:write",
        params=(body("status", "integer", enum=(0, 1)), body("content", longest=500, blank=True)),
        good={"status": 0, "content": "系统升级"},
        answer=SUCCESS,
        rules="tests/config/test_site.py",
    ),
    Operation(None, "GET", "/page/access", "public", rules="tests/config/test_site.py"),
    Operation(
        None,
        "GET",
        "/s/{slug}",
        "public",
        params=(path("slug", refers_to="slug", theirs=False),),
        good=lambda objects: {"slug": objects.slug},
        codes=(1404,),
        shape="redirect",
        rules="tests/config/test_keys_and_links.py",
    ),
]
