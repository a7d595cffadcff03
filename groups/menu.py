"""The private menu: what it offers, and the choices that are about groups, robots and apprentices."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from django.core.cache import cache

from accounts import completion
from accounts.referral import invite_link_of
from config.platform.cache import REDIS_AWAY
from config.platform.dates import day_of
from config.site import client_pages, short_links
from groups.models import Group
from robots import menu, pool
from robots.friendships import working_robots_of
from robots.menu import LEAVE, MENU, IncomingMessage
from robots.outbox import writing

QUESTIONS = "questions"
HINT_INTERVAL = menu.REMEMBERED_SECONDS
BACK = ("0", MENU, LEAVE)
HOME = ("主页", "我的主页", "首页")

_MENU = """回复数字选择:
1 我的主页
2 怎样拉群
3 邀请好友
4 常见问题
5 联系客服
6 机器人还能带几个群
7 群发消息
随时回复「菜单」回到这里。"""
_HOW_TO_ADD_A_GROUP = """三步把群交给我:
① 打开你的群,点右上角「…」,再点「+」;
② 选中我,点「完成」;
③ 我进群后会私信告诉你绑定结果。
群成员越多、聊得越热闹,星级越高,收益越多。"""
_FAQ = (
    ("收益什么时候到账?", "每天凌晨结算前一天的收益,早上就能在主页看到。"),
    ("怎样提现?", "在主页点「提现」,选择金额提交;审核通过后打到你的微信零钱。"),
    ("群为什么没有收益?", "群评定星级后才开始有收益;收益天数用完,或机器人不在群里,也会没有收益。"),
    ("机器人被踢了怎么办?", "请把机器人重新拉进群;绑定成功后收益接着算,已结算的天数不会重来。"),
    ("星级是怎么评的?", "按群的人数和活跃程度评定,每隔一段时间会重新评定,可升可降。"),
)
_QUESTIONS = "\n".join(
    ["想了解哪一个?回复数字:", *(f"{number} {title}" for number, (title, _) in enumerate(_FAQ, 1)), "0 返回菜单"]
)


@menu.handles("home")
def answer_newcomer(said: IncomingMessage) -> bool:
    """Answer by its name, also while a conversation with customer service is open."""
    return said.words in HOME and _send_completion_link(said)


@menu.handles("newcomers")
def answer_newcomer_who_chooses_home(said: IncomingMessage) -> bool:
    """Answer by its number in the menu, which newcomers without a group never see."""
    return menu.choice(said) == "1" and _send_completion_link(said)


def _send_completion_link(said: IncomingMessage) -> bool:
    """Answer with a new link to complete the profile; return False to those who have completed it."""
    if said.user.completed_at is not None:
        return False
    url = completion.new_link(said.user, at=said.at)
    menu.answer(said, writing.text(f"点击链接完善资料，领取新人红包：{url}"))
    return True


@menu.handles("strangers")
def ignore_users_without_groups(said: IncomingMessage) -> bool:
    """Who owns no group in WeChat gets no answer."""
    return not Group.objects.owned_in_wechat_by(said.user).exists()


@menu.handles("menu")
def answer_menu(said: IncomingMessage) -> bool:
    """The menu, its choices, and what nobody understood: the end of the line."""
    place, words = menu.place_of(said.user.pk), said.words
    if words in BACK and (place or words == MENU):
        _show_menu(said)
    elif place == QUESTIONS:
        _answer_question(said)
    elif words in _CHOICES:
        menu.answer(said, writing.text(_CHOICES[words](said)))
    elif place == MENU:
        menu.answer(said, writing.text("没有这一项,请回复 1 到 7 的数字,或回复「菜单」再看一遍。"))
    else:
        _hint(said)
    return True


def _show_menu(said: IncomingMessage) -> None:
    menu.go_to(said.user.pk, MENU)
    menu.answer(said, writing.text(_MENU))


def _answer_question(said: IncomingMessage) -> None:
    menu.go_to(said.user.pk, QUESTIONS)
    number = int(said.words) if said.words.isascii() and said.words.isdigit() and len(said.words) < 3 else 0
    if 1 <= number <= len(_FAQ):
        menu.answer(said, writing.text(f"{_FAQ[number - 1][1]}\n还想了解?回复 1 到 {len(_FAQ)},或 0 返回菜单。"))
    else:
        menu.answer(said, writing.text(f"没有这个问题,请回复 1 到 {len(_FAQ)} 的数字,或 0 返回菜单。"))


def _hint(said: IncomingMessage) -> None:
    """Small talk is answered once in a while, so that nobody is told the same thing all day.

    An answer that did not commit is given again: the hint is this event's.
    """
    with suppress(*REDIS_AWAY):
        if cache.get_or_set(f"menu-hint:{said.user.pk}", said.event_id, HINT_INTERVAL) == said.event_id:
            menu.answer(said, writing.text("我没看懂。回复「菜单」看看我能做什么。"))


def _home(said: IncomingMessage) -> str:
    return f"这是你的主页:{short_links.shorten(client_pages.home())}"


def _how_to_add_a_group(said: IncomingMessage) -> str:
    return _HOW_TO_ADD_A_GROUP


def _invite(said: IncomingMessage) -> str:
    """Answer with the invite link; there is none before the profile is completed, which comes first then."""
    if said.user.completed_at is None:
        url = completion.new_link(said.user, at=said.at)
        return f"请先点击链接完善资料，然后再回复「菜单」选择 3，就能拿到你的邀请链接：{url}"
    return f"把这个链接发给好友，TA 加了机器人就是你的徒弟，TA 的收益你也有份：{invite_link_of(said.user)}"


def _questions(said: IncomingMessage) -> str:
    menu.go_to(said.user.pk, QUESTIONS)
    return _QUESTIONS


def _quota(said: IncomingMessage) -> str:
    """How many more groups each robot that the user added takes on today."""
    robots = working_robots_of(said.user)
    left = pool.places_left(robots, day=day_of(said.at))
    lines = [f"「{robot.name}」今天还能带 {left[robot.pk]} 个群" for robot in robots]
    return "\n".join(lines) or "你还没有可用的机器人,请先添加一个。"


_CHOICES: Mapping[str, Callable[[IncomingMessage], str]] = {
    "1": _home,
    **dict.fromkeys(HOME, _home),
    "2": _how_to_add_a_group,
    "3": _invite,
    "4": _questions,
    "6": _quota,
}
