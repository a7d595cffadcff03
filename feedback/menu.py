"""Customer service in the private menu: choice 5 opens a talk, which has every word until it ends."""

from feedback import conversations, forwarding
from feedback.models import Conversation
from integrations.gateway.payloads import MessageType
from robots import menu
from robots.menu import LEAVE, IncomingMessage
from robots.outbox import writing

_OPENED_FOR_USER = "正在为你接入客服,请直接发消息说明问题。发送「退出」结束对话。"
_LEFT_FOR_USER = "客服对话已结束。回复「菜单」看看我还能做什么。"
_STARTED_FOR_STAFF, _LEFT_FOR_STAFF = "(用户请求接入客服)", "(用户已结束对话)"
_NAMES: dict[int, str] = {MessageType.LINK: "链接", MessageType.MINI_PROGRAM: "小程序", MessageType.CARD: "名片"}


@menu.handles("open_conversation")
def forward_to_customer_service(said: IncomingMessage) -> bool:
    """While a talk is open, what the user says goes to staff; 退出 ends it."""
    talk = conversations.find_open_conversation(said.user)
    if talk is None:
        return False
    if said.words == LEAVE:
        conversations.end_conversation(said.user, at=said.at)
        forwarding.forward(talk, kind="text", content=_LEFT_FOR_STAFF, at=said.at)
        menu.answer(said, writing.text(_LEFT_FOR_USER))
    else:
        _forward(talk, said)
    return True


@menu.handles("customer_service")
def open_conversation_from_menu(said: IncomingMessage) -> bool:
    if menu.choice(said) != "5":
        return False
    menu.go_to(said.user.pk, "")
    conversations.start_conversation(said.user, at=said.at)
    talk = conversations.find_open_conversation(said.user)
    if talk is not None:
        forwarding.forward(talk, kind="text", content=_STARTED_FOR_STAFF, at=said.at)
    menu.answer(said, writing.text(_OPENED_FOR_USER))
    return True


def _forward(talk: Conversation, said: IncomingMessage) -> None:
    """Text as it is, a picture as a picture, anything else in words."""
    parts = said.parts
    if parts["type"] == MessageType.IMAGE and parts["url"]:
        forwarding.forward(talk, kind="image", content=parts["url"], at=said.at)
        return
    content = parts["content"] or ""
    if parts["type"] != MessageType.TEXT:
        name = _NAMES.get(parts["type"] or 0, "消息")
        words = None if parts["type"] == MessageType.MINI_PROGRAM else content  # its card is XML
        content = " ".join(filter(None, (f"[{name}]", parts["title"], words, parts["url"])))
    if content.strip():
        forwarding.forward(talk, kind="text", content=content, at=said.at)
