"""Customer service in the private menu: choice 5 opens a conversation, which gets every message until it ends."""

from feedback import conversations, forwarding
from feedback.models import Conversation
from integrations.gateway.payloads import MessageType
from robots import menu
from robots.menu import LEAVE, IncomingMessage
from robots.outbox import writing

_OPENED_FOR_USER = "正在为你接入客服，请直接发消息说明问题。发送「退出」结束对话。"
_LEFT_FOR_USER = "客服对话已结束。回复「菜单」看看我还能做什么。"
_STARTED_FOR_STAFF, _LEFT_FOR_STAFF = "（用户请求接入客服）", "（用户已结束对话）"
_NAMES: dict[int, str] = {MessageType.LINK: "链接", MessageType.MINI_PROGRAM: "小程序", MessageType.CARD: "名片"}


@menu.handles("open_conversation")
def forward_to_customer_service(message: IncomingMessage) -> bool:
    """Forward the message to staff while a conversation is open; 退出 ends it."""
    conversation = conversations.find_open_conversation(message.user)
    if conversation is None:
        return False
    if message.text == LEAVE:
        conversations.end_conversation(message.user, at=message.at)
        forwarding.forward(conversation, kind="text", content=_LEFT_FOR_STAFF, at=message.at)
        menu.reply(message, writing.text(_LEFT_FOR_USER))
    else:
        _forward(conversation, message)
    return True


@menu.handles("customer_service")
def open_conversation_from_menu(message: IncomingMessage) -> bool:
    """Open a conversation after choice 5."""
    if menu.choice(message) != "5":
        return False
    menu.set_state(message.user.pk, "")
    conversations.start_conversation(message.user, at=message.at)
    conversation = conversations.find_open_conversation(message.user)
    if conversation is not None:
        forwarding.forward(conversation, kind="text", content=_STARTED_FOR_STAFF, at=message.at)
    menu.reply(message, writing.text(_OPENED_FOR_USER))
    return True


def _forward(conversation: Conversation, message: IncomingMessage) -> None:
    """Forward a text or picture as it is, and any other message as a text that names its kind."""
    parts = message.parts
    if parts["type"] == MessageType.IMAGE and parts["url"]:
        forwarding.forward(conversation, kind="image", content=parts["url"], at=message.at)
        return
    content = parts["content"] or ""
    if parts["type"] != MessageType.TEXT:
        name = _NAMES.get(parts["type"] or 0, "消息")
        text = None if parts["type"] == MessageType.MINI_PROGRAM else content  # the card of a mini program is XML
        content = " ".join(filter(None, (f"[{name}]", parts["title"], text, parts["url"])))
    if content.strip():
        forwarding.forward(conversation, kind="text", content=content, at=message.at)
