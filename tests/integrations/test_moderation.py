"""Sensitive words are found in every decoration, width and style, and ordinary texts pass."""

import time

import pytest
from django.core.cache import cache

from integrations.models import SensitiveWord
from integrations.moderation.words import VERSION, SensitiveWordFound, add_words, require_clean
from tests.support.moderation import is_refused
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db


HIDDEN = [
    "赌博",
    "来赌博吧",
    "赌 博",
    "赌\u3000博",
    "赌 \t博",
    "赌\u200b\u200d\ufeff博",
    "赌\u00ad\u2060博",
    "赌*博",
    "赌.博",
    "赌/博",
    "赌😀博",
    "赌_-~·•★博",
    "赌\u0336\u0336博",
    "赌\u3164博",
    "赌【】博",
    *(f"赌{mark}博" for mark in "ーｰˉˇˊˋـːǀǃㅡㅣ々〱ゞ"),
]


@pytest.mark.parametrize("text", HIDDEN)
def test_decoration_between_the_letters_hides_nothing(text):
    add_words(["赌博"])
    assert is_refused(text)


@pytest.mark.parametrize(
    "text", ["vx", "VX", "\uff36\uff38", "v x", "V-X", "加我Ⓥⓧ", "𝐯𝐱", "ᵛˣ", "vẍ", "v\u0308x", "我的vx号"]
)
def test_width_case_and_style_hide_nothing(text):
    add_words(["VX"])
    assert is_refused(text)


@pytest.mark.parametrize("word", ["赌 博", "\uff36\uff38", "Vx!", "ΣΊΣΥΦΟΣ"])
def test_words_of_the_list_are_folded_too(word):
    add_words([word])
    assert is_refused(f"有{word}吗")


@pytest.mark.parametrize(
    "stop", [*"。！？；：，、,!?;:\n\r\x0b\x0c\x85\u2028\u2029", "……", "——", ". ", "\r\n", " 。 "]
)
def test_no_word_is_found_across_the_marks_that_divide_sentences(stop):
    add_words(["赌博"])
    assert not is_refused(f"千万别赌{stop}博物馆见")


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("LY", "We are a family"),
        ("SM", "small 码"),
        ("AV", "navy"),
        ("SM", "S M L"),
        ("HM", "H&M"),
        ("QQ", "https://mp.weixin.qq.com/s/abc"),
        ("QQ", "123456@qq.com"),
        ("ill", "I'll"),
        ("ML", "1000ml"),
        ("MD", "md5"),
        ("lt", "re\u200bsult"),
        ("penis", "The pen is red"),
        ("k粉", "ok粉色"),
        ("8964", "18964"),
        ("8964", "8,964"),
        ("8964", "89-64"),
        ("3p", "13p"),
    ],
)
def test_a_word_of_latin_letters_or_digits_needs_borders(word, text):
    add_words([word])
    assert not is_refused(text)


@pytest.mark.parametrize(
    "text", ["ab.com", "b.com.cn", "a-b.com", "b。com", "b, com", "tab. Common", "B\ncom", "bcom", "b.comb"]
)
def test_a_word_with_a_dot_is_found_only_as_it_is_written(text):
    add_words(["b.com"])
    assert not is_refused(text)


@pytest.mark.parametrize(
    "text", ["b.com", "看B.COM。", "www.b.com/x", "\uff42\uff0e\uff43\uff4f\uff4d", "b\u200b.com", "b . c o m"]
)
def test_a_word_with_a_dot_is_found_in_any_width_and_case(text):
    add_words(["b.com"])
    assert is_refused(text)


@pytest.mark.parametrize(
    ("word", "text"), [("赌博", "来 赌*博"), ("VX", "加vx12345"), ("b.com", "看 B.com"), ("法 轮", "法轮")]
)
def test_the_refusal_names_the_word_as_the_list_has_it(word, text):
    add_words([word])
    with pytest.raises(SensitiveWordFound) as refusal:
        require_clean("你好", text)
    assert refusal.value.description == f"内容含有敏感词“{word}”，请修改后再提交"


def test_a_word_with_control_characters_of_an_older_list_finds_nothing():
    SensitiveWord.objects.create(word="l\x03t")
    assert not is_refused("l t, lt, l\x03t")


@pytest.mark.parametrize("text", ["", " ", "赌", "博赌", "你好", "赌了一把博", "c", "\x00", "😀", "\ud800"])
def test_other_words_pass(text):
    add_words(["赌博", "C++", "x\u0301\u0302"])
    assert not is_refused(text)


def test_a_word_of_which_folding_leaves_little_is_searched_as_it_is_written():
    add_words(["C++"])
    assert is_refused("学c++吧")
    assert not is_refused("abc")


@pytest.mark.parametrize("text", ["学c++吧", "C ++", "\uff23\uff0b\uff0b", "c\u200b+\ufeff+"])
def test_width_case_and_blanks_do_not_hide_a_word_that_is_searched_as_it_is_written(text):
    add_words(["C++"])
    assert is_refused(text)


@pytest.mark.parametrize(
    ("text", "refused"),
    [("纪念6.4", 1), ("6 . 4", 1), ("\uff16.\uff14元", 1), ("64元", 0), ("16.4元", 0), ("6.45元", 0), ("6·4", 0)],
)
def test_a_number_with_marks_is_not_found_without_them(text, refused):
    add_words(["6.4"])
    assert is_refused(text) == bool(refused)


def test_a_number_without_marks_is_found_between_marks():
    add_words(["8964"])
    assert is_refused("8-9 6.4")


def test_a_picture_is_a_word():
    add_words(["🔞"])
    assert is_refused("来看🔞")
    assert not is_refused("来看😀")


def test_hangul_syllables_stay_whole():
    add_words(["가"])
    assert is_refused("x가y")
    assert not is_refused("각")


def test_any_of_several_texts_is_enough():
    add_words(["赌博"])
    with pytest.raises(SensitiveWordFound):
        require_clean("你好", "赌博")


def test_an_empty_list_finds_nothing():
    assert not is_refused("赌博")


OVERLAPPING = [
    "\u02c2",
    "\u02df",
    "\u1160",
    "\u1173",
    "\u3164",
    "\u30fc\u02d2",
    "\u1175\u02c2",
]  # marks and letters at once


@pytest.mark.parametrize("mark", OVERLAPPING)
def test_a_long_run_of_marks_behind_hangul_takes_no_time(mark):
    add_words(["VX"])
    text, began = f"vx \u1100{mark * 4000}", time.process_time()
    assert is_refused(text)
    assert time.process_time() - began < 2


def test_a_change_of_another_process_is_used_within_two_seconds():
    assert not is_refused("赌博")  # this process has just checked the version
    SensitiveWord.objects.create(word="赌博")
    cache.set(VERSION, "changed elsewhere", None)
    deadline = time.monotonic() + 2
    while not is_refused("赌博") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_refused("赌博")


def test_checking_does_not_ask_redis_each_time(django_assert_num_queries):
    add_words(["赌博"])
    is_refused("x")
    cache.set(VERSION, "elsewhere", None)
    with django_assert_num_queries(0):
        is_refused("x")


def test_without_redis_the_list_is_still_checked(settings):
    SensitiveWord.objects.create(word="赌博")
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    assert is_refused("赌博")
    add_words(["彩票"])
    assert is_refused("彩票")


@pytest.fixture(params=["wechat", "aliyun"])
def remote(request, sandbox, settings) -> str:
    settings.MODERATION_REMOTE = request.param
    settings.MODERATION_ALIYUN_BASE_URL = sandbox.url
    return request.param


def test_the_remote_check_decides_about_texts_that_pass_the_list(remote):
    assert is_refused("卖违禁品")
    assert not is_refused("你好" * 500)


def test_the_list_is_checked_before_the_remote_check(remote, sandbox):
    add_words(["赌博"])
    set_fault(sandbox, remote)
    assert is_refused("赌博")


@pytest.mark.parametrize("mode", ["error", "drop_reply", "timeout"])
def test_when_the_remote_check_does_not_answer_the_list_decides(remote, sandbox, settings, mode):
    settings.MODERATION_TIMEOUT = 0.2
    set_fault(sandbox, remote, mode)
    assert not is_refused("卖违禁品")


@pytest.mark.parametrize("length", [0, 599, 600, 601, 1135, 1199])
def test_a_word_is_found_wherever_a_long_text_is_cut(sandbox, settings, length):
    settings.MODERATION_REMOTE = "aliyun"
    settings.MODERATION_ALIYUN_BASE_URL = sandbox.url
    assert is_refused("好" * length + "违禁")


def test_the_parts_of_a_long_text_share_the_time(sandbox, settings):
    settings.MODERATION_REMOTE, settings.MODERATION_TIMEOUT = "aliyun", 2.0
    settings.MODERATION_ALIYUN_BASE_URL = sandbox.url
    set_fault(sandbox, "aliyun", "slow")  # 1.5 seconds a part
    began = time.monotonic()
    assert not is_refused("好" * 1500 + "违禁")
    assert time.monotonic() - began < 4


def test_an_expired_app_token_is_fetched_again_for_the_next_text(sandbox, settings):
    settings.MODERATION_REMOTE = "wechat"
    cache.set("wechat-token:sandbox", "ended", 300)
    assert [is_refused("违禁"), is_refused("违禁")] == [False, True]


def test_with_a_wrong_secret_the_list_decides(sandbox, settings):
    settings.MODERATION_REMOTE = "aliyun"
    settings.MODERATION_ALIYUN_BASE_URL = sandbox.url
    settings.SMS_ACCESS_KEY_SECRET = "wrong"
    assert not is_refused("违禁")
