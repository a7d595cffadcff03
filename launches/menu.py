"""Choice 7 of the private menu: the next picture, link or mini program becomes the draft of a mass message."""

from config.api.throttles import seconds_over_limit
from integrations.gateway.payloads import MessageType
from launches import mass_message_drafts
from robots import menu
from robots.menu import LEAVE, MENU, IncomingMessage
from robots.outbox import writing

AWAITING_CONTENT = "mass_message"
DRAFT_LIMIT = "mass_message_drafts_day"
ACCEPTED_TYPES = (MessageType.IMAGE, MessageType.LINK, MessageType.MINI_PROGRAM)
_TOO_MANY = "今天发来的群发内容太多，请明天再试。"
_PROMPT = "请在 10 分钟内发来要群发的图片、链接或小程序。回复「退出」放弃。"


@menu.handles("mass_message")
def handle_mass_message_choice(message: IncomingMessage) -> bool:
    """Answer choice 7, the content sent after it, and other messages in between, except 菜单 and 退出."""
    if menu.choice(message) == "7":
        menu.set_state(message.user.pk, AWAITING_CONTENT)
        menu.reply(message, writing.text(_PROMPT))
        return True
    if menu.state_of(message.user.pk) != AWAITING_CONTENT or message.text == MENU:
        return False
    if message.text == LEAVE:
        menu.set_state(message.user.pk, "")
        menu.reply(message, writing.text("已放弃群发。回复「菜单」看看我还能做什么。"))
    elif message.parts["type"] in ACCEPTED_TYPES and not mass_message_drafts.missing_content_part(message.parts):
        if problem := mass_message_drafts.content_address_problem(message.parts):
            menu.reply(message, writing.text(f"这不能群发：{problem}。{_PROMPT}"))
        else:
            _create_draft(message)
    else:
        menu.reply(message, writing.text(f"这不能群发。{_PROMPT}"))
    return True


def _create_draft(message: IncomingMessage) -> None:
    menu.set_state(message.user.pk, "")
    if seconds_over_limit(DRAFT_LIMIT, str(message.user.pk)):
        menu.reply(message, writing.text(_TOO_MANY))
        return
    draft = mass_message_drafts.create_draft(user=message.user, content=message.parts, at=message.at)
    menu.reply(
        message, writing.text(f"收到！请在 10 分钟内打开链接，选择群和时间：{mass_message_drafts.link_to(draft)}")
    )
