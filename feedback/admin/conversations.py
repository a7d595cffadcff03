"""Pages of conversations with customer service and of forwarded messages."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from config.backoffice.base import ReadOnlyAdmin
from config.backoffice.filters import days, states
from config.backoffice.queues import QueueAdmin, close_action, register_queue, retry_action
from feedback.models import Conversation, ForwardedMessage

_STATES = {
    "open": (_("进行中"), Q(closed_at__isnull=True)),
    "closed": (_("已结束"), Q(closed_at__isnull=False)),
}


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_display = ("opened_at", "user", "closed_at")
    list_select_related = ("user",)
    list_filter = (states("state", _("状态"), _STATES), days("opened_at", _("开始时间")))
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-opened_at", "-id")
    reached_from = {"accounts.user": ("user", _("客服会话"))}


@admin.register(ForwardedMessage)
class ForwardedMessageAdmin(QueueAdmin):
    list_display = ("id", "written_at", "user", "kind", "status", "attempts", "finished_at", "last_error")
    list_select_related = ("conversation__user",)
    list_filter = ("status", days("written_at", _("发送时间")))
    ordering = ("-written_at", "-id")
    reached_from = {"feedback.conversation": ("conversation", _("转发给客服的消息"))}
    retry = retry_action(permission="feedback.retry_forwardedmessage")
    close = close_action(permission="feedback.retry_forwardedmessage")

    @admin.display(description=_("用户"))
    def user(self, message: ForwardedMessage) -> str:
        return str(message.conversation.user)


register_queue(ForwardedMessage)
