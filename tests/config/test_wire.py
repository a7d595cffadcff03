"""The envelope of errors and refusals, and the paging of lists."""

import time
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.authentication import issue_token
from config.api.throttles import key_of, seconds_to_wait
from config.models import Scope
from config.platform.cache import redis
from tests.factories.people import GroupFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-0000-0000-000000000000"
ENVELOPE = ["code", "description", "data", "page_info"]


def test_an_unknown_path_is_1404_in_json():
    answer = Client().get("/no/such/path")
    assert (answer.status_code, list(answer.json()), answer.json()["code"]) == (404, ENVELOPE, 1404)
    assert answer["Content-Type"] == "application/json"


def test_an_unknown_page_of_the_admin_is_a_page(client: Client):
    assert client.get("/admin/no/such/page/")["Content-Type"].startswith("text/html")


def test_paths_work_without_a_trailing_slash_only():
    assert Client().get("/groups/").json()["code"] == 1404


@pytest.mark.parametrize("path", ["/schema", "/docs"])
def test_read_only_pages_refuse_other_methods_in_json(path: str):
    answer = Client().post(path)
    assert (answer.status_code, answer.json()["code"]) == (405, 1405)


def test_the_answer_is_json_whatever_the_caller_accepts():
    answer = Client().get("/groups", headers={"Accept": "text/html"})
    assert answer["Content-Type"] == "application/json"


def test_a_body_over_two_mebibytes_is_1413():
    body = b'{"url": "' + b"x" * (2 * 1024 * 1024) + b'"}'
    answer = Client().post("/auth", data=body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, 1413)


def test_a_body_of_two_mebibytes_is_read():
    head, tail = b'{"union_id": "', b'"}'
    body = head + b"x" * (2 * 1024 * 1024 - len(head) - len(tail)) + tail
    assert Client().post("/auth", data=body, content_type="application/json").json()["code"] == 1403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_another_media_type_is_1415(kind: str):
    answer = Client().post("/auth", data=b"union_id=x", content_type=kind)
    assert (answer.status_code, answer.json()["code"]) == (415, 1415)


def test_a_byte_order_mark_before_the_json_is_skipped():
    alice = UserFactory()
    body = b"\xef\xbb\xbf" + b'{"union_id": "%s"}' % alice.union_id.encode()
    assert Client().post("/auth", data=body, content_type="application/json").json()["code"] == 1200


_REPEATED = ['{"union_id": "a", "union_id": "b"}', '{"union_id": "a", "surplus": [{"x": 1, "x": 1}]}']


@pytest.mark.parametrize("body", [*_REPEATED, '{"union_id": "a", "union\\u005fid": "b"}'])
def test_a_field_that_is_there_twice_is_1403_and_named(body: str):
    answer = Client().post("/auth", data=body, content_type="application/json").json()
    assert (answer["code"], answer["msg"].startswith("请求内容里有重复的字段（")) == (1403, True)


def test_many_repeated_fields_are_found_at_once():
    body = "{" + ",".join(f'"{number}":1' for number in range(150_000)) + ',"149999":1}'
    began = time.monotonic()
    assert Client().post("/auth", data=body, content_type="application/json").json()["code"] == 1403
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR", "Bearer "])
def test_the_word_bearer_has_no_case(scheme: str):
    headers = {"Authorization": f"{scheme} {issue_token(UserFactory())}"}
    assert Client().get("/profit", headers=headers).json()["code"] == 1200


@pytest.mark.parametrize("scheme", ["bear", "token", "bearer:", ""])
def test_another_word_is_no_credential(scheme: str):
    headers = {"Authorization": f"{scheme} {issue_token(UserFactory())}"}
    assert Client().get("/profit", headers=headers).json()["code"] == 1401


def test_options_lists_the_methods_without_a_credential():
    answer = Client().options("/groups", headers={"Authorization": "Bearer a.b.c", "X-Api-Key": "x"})
    assert (answer.status_code, answer.content, answer["Allow"]) == (204, b"", "GET, HEAD, OPTIONS")
    assert [name for name in answer.headers if name.lower().startswith("access-control")] == []


@pytest.mark.parametrize("path", ["/schema", "/docs", f"/payouts/{NOBODY}/confirm"])
def test_options_of_a_page_that_is_only_read(path: str):
    answer = Client().options(path)
    assert (answer.status_code, answer["Allow"]) == (204, "GET, HEAD, OPTIONS")


def test_options_of_an_unknown_path_is_1404():
    assert Client().options("/no/such/path").json()["code"] == 1404


_MALFORMED = ["{", "{'a': 1}", '{"union_id": NaN}', "[" * 100_000, b"\xff\xfe", b'"\xed\xa0\x80"']


@pytest.mark.parametrize("body", _MALFORMED, ids=range(len(_MALFORMED)))
def test_malformed_json_is_1403(body: Any):
    answer = Client().post("/auth", data=body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (200, 1403)


@pytest.mark.urls("tests.config.broken_urls")
def test_an_internal_error_is_1500_without_details():
    answer = Client(raise_request_exception=False).get("/fault")
    assert (answer.status_code, list(answer.json()), answer.json()["code"]) == (500, ENVELOPE, 1500)
    assert "440524188001010014" not in answer.text


@pytest.mark.urls("tests.config.broken_urls")
def test_a_fault_outside_any_operation_is_json_too():
    answer = Client(raise_request_exception=False).get("/plain")
    assert (answer.status_code, answer.json()["code"]) == (500, 1500)


@pytest.mark.urls("tests.config.broken_urls")
def test_a_database_that_is_away_outside_any_operation_is_503():
    answer = Client(raise_request_exception=False).get("/page/database")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, 1503, "5")
    assert "secret" not in answer.text


@pytest.mark.urls("tests.config.broken_urls")
def test_an_operators_page_without_database_explains_what_to_do():
    answer = Client(raise_request_exception=False).get("/admin/database")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "请几秒后刷新页面" in answer.text
    assert "secret" not in answer.text


@pytest.mark.urls("tests.config.broken_urls")
@pytest.mark.parametrize("path", ["/database", "/redis"])
def test_a_dependency_that_is_down_is_1503_with_retry_after(path: str):
    answer = Client().get(path)
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, 1503, "5")
    assert "secret" not in answer.text


def test_too_many_calls_are_1429_with_retry_after(settings: Any):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"auth": "2/60"}
    client = Client()
    answers = [client.post("/auth", data={}, content_type="application/json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {"code": 1429, "msg": "操作太频繁，请稍后再试"}
    assert answers[2]["Retry-After"] == "60"


def test_the_throttle_counts_each_caller(settings: Any):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"withdraw": "1/60"}
    alice, bob = ApiClient(UserFactory()), ApiClient(UserFactory())
    assert alice.post("/withdraw", {"balance": "3"})["code"] == 1403
    assert alice.post("/withdraw", {"balance": "3"})["code"] == 1429
    assert bob.post("/withdraw", {"balance": "3"})["code"] == 1403


_PUBLIC = {
    "wechat": "/wechat/user_info?app_id=sandbox&code=bad",
    "registered": "/users/union-x/registered",
    "js_ticket": "/wechat/js/ticket?app_id=unknown&url=https://e.com",
    "poster": "/user/nobody/poster",
}


@pytest.mark.parametrize("scope", _PUBLIC)
def test_public_operations_are_counted_separately(settings: Any, sandbox: Any, scope: str):
    """Thousands of users share a carrier's address: their tickets must not use up the limit of sign-ins."""
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {scope: "0/60"}
    statuses = {one: Client().get(path).status_code for one, path in _PUBLIC.items()}
    assert {one for one, status in statuses.items() if status == 429} == {scope}


def test_a_throttle_whose_window_was_lost_opens_a_new_one(settings: Any):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"withdraw": "1/60"}
    alice = UserFactory()
    redis().set(key_of("withdraw", str(alice.pk)), 9)  # a count without an expiry
    answer = ApiClient(alice).send("post", "/withdraw", {"balance": "3"})
    assert (answer.json()["code"], answer["Retry-After"]) == (1429, "60")
    assert redis().ttl(key_of("withdraw", str(alice.pk))) > 0


@pytest.mark.parametrize("header", [{"Authorization": "Bearer a.b.c"}, {"X-Api-Key": "revoked"}])
@pytest.mark.parametrize("path", ["/app/status", "/app/marquee", "/users/union-x/registered", "/admin/problems"])
def test_an_expired_credential_does_not_prevent_public_operations(path: str, header: dict[str, str]):
    assert Client().get(path, headers=header).json()["code"] == 1200


def test_a_client_with_a_stale_token_signs_in_again():
    alice = UserFactory()
    answer = Client().post(
        "/auth",
        data={"union_id": alice.union_id},
        content_type="application/json",
        headers={"Authorization": "Bearer a.b.c"},
    )
    assert answer.json()["code"] == 1200


def test_a_nul_in_a_path_is_nothing_of_ours():
    assert Client().get("/users/%00/registered").json()["code"] == 1404


def test_half_a_character_that_a_refusal_quotes_is_answered():
    raw = b'{"command": "\\ud800", "data": [{"groupId": "x", "state": 1, "star": 1}]}'
    answer = Client().post("/groups/star", data=raw, content_type="application/json")
    assert answer.json()["code"] == 1403


def test_json_nested_beyond_reason_is_1403():
    deep = b"[" * 912 + b"]" * 912
    raw = b'{"event_id": "e 1", "command": "robot_added", "body": ' + deep + b"}"
    answer = Client().post("/gateway/events", data=raw, content_type="application/json")
    assert answer.json()["code"] in (1200, 1403)


_NO_TIMES = [
    "20261128",
    "2026-W48-6",
    "2026-332",
    "2026-11-28T09:30:00",
    "2026-11-28 09:30",
    "2026-11-28 09:30:00+08:00",
]


@pytest.mark.parametrize(
    "text", [*_NO_TIMES, "2026-11-28 09:30:00.5", "２０２６-11-28", "2026-1-5", "2026-11-28 ", "2026/11/28"]
)
def test_times_are_written_as_documented(text: str):
    office = key_with(Scope.BACKOFFICE_READ)
    response = [office.post("/admin/withdraw", {name: text}) for name in ("withdraw_date_begin", "paid_date_end")]
    response.append(office.post("/admin/problem/feedback", {"commit_date_begin": text}))
    assert [answer["code"] for answer in response] == [1403] * 3


@pytest.mark.parametrize("day", ["9999-12-31", "9999-12-31 23:59:59", "0001-01-01"])
def test_the_ends_of_the_calendar_are_days_or_1403(day: str):
    answer = key_with(Scope.BACKOFFICE_READ).post("/admin/withdraw", {"withdraw_date_end": day})
    assert answer["code"] in (1200, 1403)


def test_a_blocked_user_makes_no_short_links(settings: Any):
    settings.API_NATIVE_STATUS = True
    blocked = ApiClient(UserFactory(blocked_at=timezone.now(), blocked_by="admin"))
    answer = blocked.send("post", "/long_to_short", {"url": "https://example.com"})
    assert (answer.status_code, answer.json()["code"]) == (403, 1401)


def _native(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, int]:
    send = getattr(Client(), method)
    answer = send(path, data=body or {}, content_type="application/json", headers=headers)
    return answer.status_code, answer.json()["code"]


def test_native_status_gives_refusals_their_own(settings: Any):
    settings.API_NATIVE_STATUS = True
    assert _native("get", "/groups") == (401, 1401)
    assert _native("post", "/auth") == (400, 1403)
    assert _native("put", "/users/nobody/block") == (404, 1404)
    assert _native("get", "/s/nobody") == (404, 1404)


def test_native_status_of_a_caller_who_is_known_but_may_not_is_403(settings: Any):
    settings.API_NATIVE_STATUS = True
    key = key_with(Scope.STATUS_WRITE).headers["X-Api-Key"]
    assert _native("post", "/admin/withdraw", **{"X-Api-Key": key}) == (403, 1401)


def test_native_status_of_an_sms_too_often_is_429(settings: Any):
    settings.API_NATIVE_STATUS = True
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"sms": "0/20"}
    alice = ApiClient(UserFactory())
    alice.get("/sms/code/delivery", phone="13800138000")
    answer = alice.http.get("/sms/code/delivery", {"phone": "13800138000"}, headers=alice.headers)
    assert (answer.status_code, answer.json()["code"]) == (429, 2304)


def test_pages_count_from_zero_and_never_overlap():
    alice = UserFactory()
    GroupFactory.create_batch(5, user=alice)
    client = ApiClient(alice)
    pages = [client.get("/groups", status=0, current_page=n, page_size=2) for n in range(4)]
    assert [len(page["data"]) for page in pages] == [2, 2, 1, 0]
    codes = [row["code"] for page in pages for row in page["data"]]
    assert len(set(codes)) == 5
    assert pages[1]["page_info"] == {"current_page": 1, "page_size": 2, "total_page": 3, "total_records": 5}


def test_an_empty_list_has_no_pages():
    answer = ApiClient(UserFactory()).get("/groups", status=0)
    assert answer["data"] == []
    assert answer["page_info"] == {"current_page": 0, "page_size": 20, "total_page": 0, "total_records": 0}


def test_a_blank_page_size_means_the_default():
    answer = ApiClient(UserFactory()).get("/groups", status=0, page_size="", current_page="")
    assert answer["page_info"]["page_size"] == 20


_SIZES = ["0", "201", "-1", "1.5", "٣"]
_PAGES = ["-1", "x", "9" * 30]


@pytest.mark.parametrize(
    ("name", "value"), [*(("page_size", one) for one in _SIZES), *(("current_page", one) for one in _PAGES)]
)
def test_any_other_page_is_1403(name: str, value: str):
    answer = ApiClient(UserFactory()).get("/groups", **{"status": 0, name: value})
    assert answer["code"] == 1403
    assert name in answer["description"]


def test_a_deleted_users_token_is_refused():
    alice = UserFactory()
    client = ApiClient(alice)
    alice.delete()
    assert client.get("/groups", status=0)["code"] == 1401


def test_a_count_in_redis_names_nobody():
    """Backups of Redis contain the counts of a day."""
    for who in ("13800138000", "union:union-alice", "203.0.113.7"):
        seconds_to_wait("sms_day", who)
    names = " ".join(map(str, redis().keys("wxrobot:throttle:*")))
    assert names.count("sms_day") == 3
    assert not any(secret in names for secret in ("13800138000", "union-alice", "203.0.113"))
