"""Keywords of users: allowed groups and keywords, and refusals."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from groups.models import Group
from integrations.moderation.words import add_words
from keywords.models import GroupKeyword, KeywordBatch
from tests.factories.people import GroupFactory, UserFactory
from tests.support.client import ApiClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def group(alice) -> Group:
    return GroupFactory(code="g1", user=alice)


def create(user: User, keywords: object = ("价格",), *, groups: object = ("g1",), reply: object = "十元") -> int:
    body = {"group_codes": groups, "keywords": keywords, "reply_content": reply}
    return ApiClient(user).post("/keywords", body)["code"]


def listed(user: User) -> list[dict]:
    return ApiClient(user).get("/keywords")["data"]


def change(user: User, batch_id: str, **fields) -> int:
    body = {"id": batch_id, "group_codes": ["g1"], "keywords": ["地址"], "reply_content": "一号"}
    return ApiClient(user).put("/keywords", body | fields)["code"]


def test_a_batch_is_keywords_times_groups(alice, group):
    GroupFactory(code="g2", user=alice)
    assert create(alice, ["价格", "多少钱"], groups="g1,g2") == 1200
    [batch] = listed(alice)
    assert batch["keywords"] == ["价格", "多少钱"]
    assert (batch["bind_group_counts"], sorted(batch["group_codes"])) == (2, ["g1", "g2"])
    assert (batch["reply_content"], batch["trigger_times"]) == ("十元", 0)
    assert GroupKeyword.objects.count() == 4


def test_ids_name_groups_too(alice, group):
    assert create(alice, groups=[str(group.pk)]) == 1200


def test_a_group_owned_in_wechat_is_the_users_own(alice):
    GroupFactory(code="g1", wechat_owner_code="wx-alice")
    assert create(alice) == 1200


@pytest.mark.parametrize("reference", ["g-mallory", "g-nowhere", "00000000-0000-0000-0000-000000000000", "a\x00"])
def test_another_users_group_is_a_bad_parameter(alice, group, reference):
    GroupFactory(code="g-mallory")
    assert create(alice, groups=["g1", reference]) == 1403
    assert KeywordBatch.objects.count() == 0


def test_a_cancelled_group_is_a_bad_parameter(alice, group):
    Group.objects.update(cancelled_at=timezone.now(), cancel_reason=3)
    assert create(alice) == 1403


def test_the_same_keyword_twice_for_one_group_is_refused(alice, group):
    assert create(alice, ["ABC"]) == 1200
    assert create(alice, ["新的", "abc"]) == 1403
    assert len(listed(alice)) == 1


def test_the_same_keyword_twice_in_one_batch_is_refused(alice, group):
    assert create(alice, ["ABC", "abc"]) == 1403


def test_the_same_keyword_in_another_group_is_fine(alice, group):
    GroupFactory(code="g2", user=alice)
    assert [create(alice), create(alice, groups=["g2"])] == [1200, 1200]


LIMITS = [
    ({"keywords": ["x" * 32]}, 1200),
    ({"keywords": ["x" * 33]}, 1403),
    ({"keywords": ["ΐ" * 32]}, 1200),  # folds to three letters each
    ({"keywords": ["\ufdfa" * 5]}, 1200),  # normalized it is 18 letters
    ({"keywords": ["\ufdfa" * 6]}, 1403),
    ({"keywords": [f"w{n}" for n in range(50)]}, 1200),
    ({"keywords": [f"w{n}" for n in range(51)]}, 1403),
    ({"keywords": []}, 1403),
    ({"keywords": [" "]}, 1403),
    ({"keywords": ["a\x00"]}, 1403),
    ({"groups": []}, 1403),
    ({"reply": "x" * 1000}, 1200),
    ({"reply": "x" * 1001}, 1403),
    ({"reply": ""}, 1403),
]


@pytest.mark.parametrize(("fields", "code"), LIMITS)
def test_limits(alice, group, fields, code):
    assert create(alice, **fields) == code
    assert KeywordBatch.objects.count() == int(code == 1200)


@pytest.mark.parametrize(
    "keyword", ["拼车\ufeff", "团购\u200b", "秒杀\u200e", "\u202a砍价\ufe0f", "\u00ad报名\u2060"]
)
def test_invisible_characters_at_the_ends_are_no_part_of_a_keyword(alice, group, keyword):
    assert create(alice, [keyword]) == 1200
    [batch] = listed(alice)
    assert batch["keywords"] == [keyword.strip("\ufeff\u200b\u200e\u202a\ufe0f\u00ad\u2060")]


@pytest.mark.parametrize("keyword", ["\ufe0f", "\u200b", "\u3164", "\u0301", "a\nb", "价\t格", "\u2067", "\x7f"])
def test_a_keyword_has_visible_characters_and_one_line(alice, group, keyword):
    assert create(alice, [keyword]) == 1403
    assert listed(alice) == []


@pytest.mark.parametrize("text", ["红包，现金", "红包、现金", "红包 ， 现金，", "，红包,现金、"])
def test_commas_of_any_keyboard_separate_keywords(alice, group, text):
    assert create(alice, text) == 1200
    assert listed(alice)[0]["keywords"] == ["红包", "现金"]


def test_commas_of_any_keyboard_separate_groups(alice, group):
    GroupFactory(code="g2", user=alice)
    assert create(alice, groups="g1，g2") == 1200
    assert sorted(listed(alice)[0]["group_codes"]) == ["g1", "g2"]


@pytest.mark.parametrize(("one", "other"), [("OK价", "ＯＫ价"), ("❤", "❤️"), ("价格", "价\u200b格"), ("①", "1")])
def test_keywords_that_are_compared_the_same_are_the_same(alice, group, one, other):
    assert [create(alice, [one]), create(alice, [other])] == [1200, 1403]


@pytest.mark.parametrize("fields", [{"keywords": ["赌 博"]}, {"reply": "来赌博吧"}])
def test_a_sensitive_word_is_refused(alice, group, fields):
    add_words(["赌博"])
    assert create(alice, **fields) == 2003
    assert KeywordBatch.objects.count() == 0


def test_editing_replaces_all_but_the_count(alice, group):
    GroupFactory(code="g2", user=alice)
    create(alice)
    KeywordBatch.objects.update(trigger_count=7)
    [batch] = listed(alice)
    assert change(alice, batch["batch_id"], group_codes=["g2"]) == 1200
    [batch] = listed(alice)
    assert (batch["keywords"], batch["reply_content"], batch["trigger_times"]) == (["地址"], "一号", 7)
    assert batch["group_codes"] == ["g2"]


def test_an_edit_that_is_refused_changes_nothing(alice, group):
    create(alice, ["价格"])
    create(alice, ["地址"])
    price = KeywordBatch.objects.get(keywords=["价格"])
    assert change(alice, str(price.pk)) == 1403
    assert sorted(GroupKeyword.objects.values_list("folded", flat=True)) == ["价格", "地址"]
    assert listed(alice)[1]["keywords"] == ["价格"]


def test_a_deleted_batch_leaves_the_list(alice, group):
    create(alice)
    assert ApiClient(alice).delete("/keywords", {"id": listed(alice)[0]["batch_id"]})["code"] == 1200
    assert listed(alice) == []
    assert GroupKeyword.objects.count() == 0


@pytest.mark.parametrize("batch_id", ["x", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_id_is_a_bad_parameter(alice, group, batch_id):
    client = ApiClient(alice)
    codes = [change(alice, batch_id), client.delete("/keywords", {"id": batch_id})["code"]]
    assert [*codes, client.get(f"/keywords/{batch_id}")["code"]] == [1403, 1403, 1403]


def test_another_users_batch_is_treated_as_unknown(alice, group):
    create(alice)
    [batch] = listed(alice)
    mallory = UserFactory()
    assert change(mallory, batch["batch_id"]) == 1403
    assert ApiClient(mallory).delete("/keywords", {"id": batch["batch_id"]})["code"] == 1403
    assert listed(mallory) == []


def test_the_list_takes_a_fixed_number_of_queries(alice, group, django_assert_num_queries):
    for number in range(5):
        create(alice, [f"w{number}"])
    client = ApiClient(alice)
    with django_assert_num_queries(1):
        assert len(client.get("/keywords")["data"]) == 5


def test_the_database_stores_a_keyword_once_per_group(alice, group):
    create(alice)
    row = GroupKeyword.objects.get()
    row.pk = None
    with pytest.raises(IntegrityError, match="keyword_once_per_group"), transaction.atomic():
        row.save(force_insert=True)
