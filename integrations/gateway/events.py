"""The events that the gateway posts, one class for each command, with the fields of its body.

docs/events.md and the schema of `POST /gateway/events` are generated from these classes. A field of a strict kind (`Text`,
`Moment`, `Count`) must be right, or the event is ignored with the reason; the other kinds accept every value
(`integrations.gateway.event_fields`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from django.utils.translation import gettext_noop

from integrations.gateway.event_body import BY_COMMAND, EventBody, OrderingKeys
from integrations.gateway.event_fields import (
    Address,
    Count,
    FieldSet,
    Flag,
    GatewayCode,
    GatewayCodes,
    Moment,
    Parts,
    Rows,
    Schema,
    Shown,
    Text,
)
from integrations.gateway.payloads import BadEvent, MessageParts, code_in

RobotCode = Annotated[str, Text("robot_id", "机器人编号", "sandbox-robot-1")]
GroupCode = Annotated[str, Text("group_id", "群编号", "group-1")]
UserCode = Annotated[str, Text("user_id", "用户或群成员的编号", "wx-alice")]
Nickname = Annotated[str, Shown("nickname", "微信昵称", "爱丽丝")]
AvatarUrl = Annotated[str, Address("avatar", "头像的地址", "https://example.com/head.png")]
GroupName = Annotated[str, Shown("name", "群名", "美食交流群", max_length=200)]
Message = Annotated[
    MessageParts,
    Parts("", "消息内容", {"type": 3, "content": "你好", "title": "", "desc": "", "url": "", "voice_time": 0}),
]
_TIME = "2026-11-23 09:30:00"


@dataclass(frozen=True, kw_only=True)
class RobotAdded(EventBody):
    """A person added a robot as a friend."""

    command: ClassVar[str] = "robot_added"
    meaning: ClassVar[str] = gettext_noop("有人添加机器人为好友")
    robot_code: RobotCode
    user_code: UserCode
    nickname: Nickname = ""
    avatar_url: AvatarUrl = ""
    added_at: Annotated[datetime | None, Moment("add_time", "添加时间，不填为收到时间", _TIME)] = None


@dataclass(frozen=True, kw_only=True)
class RobotInvited(EventBody):
    """A user added a robot to a group, which the gateway binds when we ask for it."""

    command: ClassVar[str] = "wait_for_bind"
    meaning: ClassVar[str] = gettext_noop("用户把机器人拉进群，等待绑定")
    depends_on_user: ClassVar[bool] = True
    robot_code: RobotCode
    user_code: UserCode
    group_code: GroupCode
    name: GroupName = ""


@dataclass(frozen=True, kw_only=True)
class GroupBound(EventBody):
    """The gateway bound a group to a robot."""

    command: ClassVar[str] = "bind_group_success"
    meaning: ClassVar[str] = gettext_noop("群绑定成功")
    depends_on_user: ClassVar[bool] = True
    robot_code: RobotCode
    user_code: UserCode
    group_code: GroupCode
    name: GroupName = ""
    bound_at: Annotated[datetime | None, Moment("bind_time", "绑定时间，不填为收到时间", _TIME)] = None


@dataclass(frozen=True, kw_only=True)
class RobotJoinFailed(EventBody):
    """A robot could not join a group."""

    command: ClassVar[str] = "robot_join_failed"
    meaning: ClassVar[str] = gettext_noop("机器人没能进群")
    robot_code: RobotCode
    user_code: UserCode
    group_code: GroupCode
    name: GroupName = ""
    reason: Annotated[str, Shown("reason", "原因，告知用户", "群人数已满", max_length=200)] = ""


@dataclass(frozen=True, kw_only=True)
class RobotKicked(EventBody):
    """A robot was removed from a group."""

    command: ClassVar[str] = "robot_kicked"
    meaning: ClassVar[str] = gettext_noop("机器人被踢出群")
    group_code: GroupCode
    robot_code: RobotCode
    kicked_at: Annotated[datetime | None, Moment("kick_time", "被踢时间，不填为收到时间", _TIME)] = None
    user_code: Annotated[str, GatewayCode("user_id", "踢出机器人的人，不使用", "wx-alice")] = ""


@dataclass(frozen=True, kw_only=True)
class GroupUnbound(EventBody):
    """The gateway unbound a group, as we asked."""

    command: ClassVar[str] = "unbind_group_success"
    meaning: ClassVar[str] = gettext_noop("群解绑成功")
    group_code: GroupCode
    robot_code: RobotCode


@dataclass(frozen=True)
class RobotPresence(FieldSet):
    """An item of `robots` in `group_info`: the presence of one of our robots in the group."""

    robot_code: Annotated[str, GatewayCode("robot_id", "机器人编号", "sandbox-robot-1")]
    is_in_group: Annotated[bool, Flag("robot_in_group", "机器人是否在群里", True)]


@dataclass(frozen=True, kw_only=True)
class GroupDescribed(EventBody):
    """The name, owner and size of a group, after `sync_group_members` and when they change."""

    command: ClassVar[str] = "group_info"
    meaning: ClassVar[str] = gettext_noop("群资料")
    group_field: ClassVar[str] = "id"
    group_code: Annotated[str, Text("id", "群编号", "group-1")]
    name: GroupName = ""
    owner_code: Annotated[str, Text("admin_user_id", "群主编号，不填为不变", "wx-alice", required=False)] = ""
    member_count: Annotated[int | None, Count("mem_count", "群人数，不填为不变", 120)] = None
    robots: Annotated[
        Sequence[RobotPresence] | None,
        Rows("robots", "群里的机器人", [{"robot_id": "sandbox-robot-1", "robot_in_group": True}], of=RobotPresence),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ListedMember(FieldSet):
    """An item of `group_members`."""

    group_code: Annotated[str, GatewayCode("group_id", "群编号，每一项相同", "group-1", required=True)]
    user_code: Annotated[str, GatewayCode("user_id", "群成员编号", "wx-alice", required=True)]
    nickname: Nickname = ""
    avatar_url: AvatarUrl = ""
    is_admin: Annotated[bool, Flag("is_admin", "是否群管理员", True)] = False


@dataclass(frozen=True, kw_only=True)
class MembersListed(EventBody):
    """All members of a group, after `sync_group_members`. The body is a list, whose items without codes are skipped."""

    command: ClassVar[str] = "group_members"
    meaning: ClassVar[str] = gettext_noop("群的全部成员")
    group_code: str
    members: Sequence[ListedMember]

    @classmethod
    def parse(cls, payload: Any) -> Self:
        if not isinstance(payload, list):
            raise BadEvent("应为成员数组", field="body")
        rows = [ListedMember.read(row) for row in payload if code_in(row, "group_id") and code_in(row, "user_id")]
        codes = {row.group_code for row in rows}
        if len(codes) != 1:
            raise BadEvent("应为同一个群的成员", field="group_id")
        return cls(group_code=codes.pop(), members=rows)

    def payload(self) -> list[Any]:
        return [member.written() for member in self.members]

    @classmethod
    def known_names(cls) -> frozenset[str]:
        return ListedMember.names

    @classmethod
    def schema(cls) -> Schema:
        return {"type": "array", "items": ListedMember.schema(), "minItems": 1}

    @classmethod
    def example(cls) -> list[Any]:
        return [ListedMember.example()]


@dataclass(frozen=True, kw_only=True)
class MemberJoined(EventBody):
    """A person joined a group."""

    command: ClassVar[str] = "join_group"
    meaning: ClassVar[str] = gettext_noop("有人进群")
    group_code: GroupCode
    joined_at: Annotated[datetime | None, Moment("join_time", "进群时间，不填为收到时间", _TIME)] = None
    user_code: UserCode
    nickname: Nickname = ""
    avatar_url: AvatarUrl = ""


@dataclass(frozen=True, kw_only=True)
class MemberLeft(EventBody):
    """A person left a group. The time of leaving is in `join_time`."""

    command: ClassVar[str] = "drop_out_group"
    meaning: ClassVar[str] = gettext_noop("有人退群")
    group_code: GroupCode
    user_code: UserCode
    left_at: Annotated[datetime | None, Moment("join_time", "退群时间，不填为收到时间", _TIME)] = None
    nickname: Nickname = ""
    avatar_url: AvatarUrl = ""


@dataclass(frozen=True, kw_only=True)
class GroupMessageReceived(EventBody):
    """A message in a group, of a person or of one of our robots."""

    command: ClassVar[str] = "group_message"
    meaning: ClassVar[str] = gettext_noop("群消息")
    group_code: GroupCode
    sender_code: UserCode
    message_no: Annotated[str, Text("message_no", "消息编号，同群同编号只存一次", "m-1", required=False)] = ""
    sent_at: Annotated[datetime | None, Moment("send_time", "发送时间，不填为收到时间", _TIME)] = None
    is_robot: Annotated[bool, Flag("is_robot", "是否机器人发送", False)] = False
    is_to_everybody: Annotated[bool, Flag("all", "是否@所有人", False)] = False
    mentioned_codes: Annotated[
        Sequence[str], GatewayCodes("at_users", "被@的人的编号，all 为所有人", ["wx-alice"])
    ] = ()
    parts: Message


@dataclass(frozen=True, kw_only=True)
class PrivateMessageReceived(EventBody):
    """A private message of a user to a robot."""

    command: ClassVar[str] = "private_message"
    meaning: ClassVar[str] = gettext_noop("私聊消息")
    robot_code: RobotCode
    user_code: UserCode
    parts: Message
    send_time: Annotated[str, Shown("send_time", "发送时间，不使用", _TIME)] = ""


@dataclass(frozen=True, kw_only=True)
class _BanEvent(EventBody):
    """An event about a ban. A ban and its replacement may name different robots, so all share one ordering key."""

    @classmethod
    def ordering_keys(cls, payload: Any) -> OrderingKeys:
        return "bans", ""


@dataclass(frozen=True, kw_only=True)
class RobotBanned(_BanEvent):
    """WeChat banned a robot."""

    command: ClassVar[str] = "abnormal_robot"
    meaning: ClassVar[str] = gettext_noop("机器人被封号")
    robot_code: RobotCode


@dataclass(frozen=True, kw_only=True)
class RobotReplaced(_BanEvent):
    """A new robot replaces one that WeChat banned. It is handled after the ban."""

    command: ClassVar[str] = "abnormal_robot_replaced"
    meaning: ClassVar[str] = gettext_noop("被封机器人的替换")
    new_robot_code: Annotated[str, Text("replace_robot_id", "新机器人编号", "sandbox-robot-2")]
    qr_code_url: Annotated[str, Address("qrcode", "新机器人二维码的地址", "https://example.com/qr.png")] = ""
    banned_robot_code: Annotated[str, GatewayCode("robot_id", "被封机器人编号", "sandbox-robot-1")] = ""


def event_classes() -> list[type[EventBody]]:
    """Return the classes of all commands in the order of this file."""
    return list(BY_COMMAND.values())


def event_class_of(command: str) -> type[EventBody] | None:
    """Return the class of the events of this command, or None for an unknown command."""
    return BY_COMMAND.get(command)


def ordering_keys_of(command: str, payload: Any) -> OrderingKeys:
    """Return the keys in whose order an event is handled. An unknown command is ordered as by default."""
    return BY_COMMAND.get(command, EventBody).ordering_keys(payload)
