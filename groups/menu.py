"""The private menu: its texts, and the choices about groups, robots and apprentices."""

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

_MENU = """回复数字选择：
1 我的主页
2 怎样拉群
3 邀请好友
4 常见问题
5 联系客服
6 机器人还能带几个群
7 群发消息
随时回复「菜单」回到这里。"""
_HOW_TO_ADD_A_GROUP = """三步把群交给我：
① 打开你的群，点右上角「…」，再点「+」；
② 选中我，点「完成」；
③ 我进群后会私信告诉你绑定结果。
群成员越多、聊得越热闹，星级越高，收益越多。"""
_FAQ = (
    ("收益什么时候到账？", "每天凌晨结算前一天的收益，早上就能在主页看到。"),
    ("怎样提现？", "在主页点「提现」，选择金额提交；审核通过后打到你的微信零钱。"),
    ("群为什么没有收益？", "群评定星级后才开始有收益；收益天数用完，或机器人不在群里，也会没有收益。"),
    ("机器人被踢了怎么办？", "请把机器人重新拉进群；绑定成功后收益接着算，已结算的天数不会重来。"),
    ("星级是怎么评的？", "按群的人数和活跃程度评定，每隔一段时间会重新评定，可升可降。"),
)
_QUESTIONS = "\n".join(
    ["想了解哪一个？回复数字：", *(f"{number} {title}" for number, (title, _) in enumerate(_FAQ, 1)), "0 返回菜单"]
)


@menu.handles("home")
def answer_newcomer(message: IncomingMessage) -> bool:
    """Answer the name of the home page, also while a conversation with customer service is open."""
    return message.text in HOME and _send_completion_link(message)


@menu.handles("newcomers")
def answer_newcomer_who_chooses_home(message: IncomingMessage) -> bool:
    """Answer the number of the home page in the menu, which newcomers without a group never see."""
    return menu.choice(message) == "1" and _send_completion_link(message)


def _send_completion_link(message: IncomingMessage) -> bool:
    """Answer with a new link to complete the profile. Returns False for users who have completed it."""
    if message.user.completed_at is not None:
        return False
    url = completion.new_link(message.user, at=message.at)
    menu.reply(message, writing.text(f"点击链接完善资料，领取新人红包：{url}"))
    return True


@menu.handles("non_owners")
def ignore_users_without_groups(message: IncomingMessage) -> bool:
    """Take the messages of users who own no group in WeChat, without an answer."""
    return not Group.objects.owned_in_wechat_by(message.user).exists()


@menu.handles("menu")
def answer_menu(message: IncomingMessage) -> bool:
    """Answer the menu and its choices, and hint at the menu after anything else. The last handler: takes every message."""
    place, text = menu.state_of(message.user.pk), message.text
    if text in BACK and (place or text == MENU):
        _show_menu(message)
    elif place == QUESTIONS:
        _answer_question(message)
    elif text in _CHOICES:
        menu.reply(message, writing.text(_CHOICES[text](message)))
    elif place == MENU:
        menu.reply(message, writing.text("没有这一项，请回复 1 到 7 的数字，或回复「菜单」再看一遍。"))
    else:
        _hint(message)
    return True


def _show_menu(message: IncomingMessage) -> None:
    menu.set_state(message.user.pk, MENU)
    menu.reply(message, writing.text(_MENU))


def _answer_question(message: IncomingMessage) -> None:
    menu.set_state(message.user.pk, QUESTIONS)
    number = int(message.text) if message.text.isascii() and message.text.isdigit() and len(message.text) < 3 else 0
    if 1 <= number <= len(_FAQ):
        menu.reply(
            message, writing.text(f"{_FAQ[number - 1][1]}\n还想了解？回复 1 到 {len(_FAQ)}，或 0 返回菜单。")
        )
    else:
        menu.reply(message, writing.text(f"没有这个问题，请回复 1 到 {len(_FAQ)} 的数字，或 0 返回菜单。"))


def _hint(message: IncomingMessage) -> None:
    """Answer a text that is no choice with a hint, at most once in HINT_INTERVAL.

    The cache holds the id of the event that got the hint, so that the event gets it again when its transaction failed.
    """
    with suppress(*REDIS_AWAY):
        if cache.get_or_set(f"menu-hint:{message.user.pk}", message.event_id, HINT_INTERVAL) == message.event_id:
            menu.reply(message, writing.text("我没看懂。回复「菜单」看看我能做什么。"))


def _home(message: IncomingMessage) -> str:
    return f"这是你的主页：{short_links.shorten(client_pages.home())}"


def _how_to_add_a_group(message: IncomingMessage) -> str:
    return _HOW_TO_ADD_A_GROUP


def _invite(message: IncomingMessage) -> str:
    """Return the invite link, or before the profile is completed the link to complete it."""
    if message.user.completed_at is None:
        url = completion.new_link(message.user, at=message.at)
        return f"请先点击链接完善资料，然后再回复「菜单」选择 3，就能拿到你的邀请链接：{url}"
    return f"把这个链接发给好友，TA 加了机器人就是你的徒弟，TA 的收益你也有份：{invite_link_of(message.user)}"


def _questions(message: IncomingMessage) -> str:
    menu.set_state(message.user.pk, QUESTIONS)
    return _QUESTIONS


def _quota(message: IncomingMessage) -> str:
    """Return how many more groups each robot that the user added can serve today."""
    robots = working_robots_of(message.user)
    left = pool.places_left(robots, day=day_of(message.at))
    lines = [f"「{robot.name}」今天还能带 {left[robot.pk]} 个群" for robot in robots]
    return "\n".join(lines) or "你还没有可用的机器人，请先添加一个。"


_CHOICES: Mapping[str, Callable[[IncomingMessage], str]] = {
    "1": _home,
    **dict.fromkeys(HOME, _home),
    "2": _how_to_add_a_group,
    "3": _invite,
    "4": _questions,
    "6": _quota,
}
