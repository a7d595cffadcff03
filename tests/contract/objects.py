"""The objects that good calls refer to, created on first use. Alice calls and must not see objects of mallory."""

from functools import cached_property
from typing import Any

from django.utils import timezone

from accounts import completion
from accounts.models import User
from config.site import short_links
from earnings.models import EarningsRules, Withdrawal
from feedback.models import ProblemCategory
from groups.models import Group, GroupMessage, Member, Mention
from keywords import batches
from keywords.models import KeywordBatch
from launches.models import Launch, MassMessage, MassMessageDraft
from robots.models import Robot
from tests.factories.launches import drafted, launched, scheduled
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory

LONG_URL = "https://example.com/contract?a=b"


class Objects:
    """The objects by name. `theirs(name)` is mallory's object of that kind."""

    def __init__(self, sandbox: Any) -> None:
        self.sandbox = sandbox

    @cached_property
    def alice(self) -> User:
        alice = UserFactory(nickname="alice", phone="13900139000", inviter=self.inviter)
        FriendshipFactory(user=alice, robot=self.robot)
        credit(alice, "50")
        return alice

    @cached_property
    def mallory(self) -> User:
        return UserFactory(nickname="mallory")

    @cached_property
    def inviter(self) -> User:
        return UserFactory(nickname="inviter")

    @cached_property
    def contact(self) -> User:
        """Return a user whom a robot met and who has not signed in."""
        return UserFactory(union_id=None, open_id="", completed_at=None)

    @cached_property
    def completion_key(self) -> str:
        """Return the completion key in the robot's link."""
        return completion.new_link(self.contact, at=timezone.now()).rsplit("/", 1)[1]

    @cached_property
    def apprentice(self) -> User:
        apprentice = UserFactory(nickname="apprentice", inviter=self.alice)
        FriendshipFactory(user=apprentice, robot=self.robot)
        return apprentice

    @cached_property
    def robot(self) -> Robot:
        return RobotFactory(code="sandbox-robot-1")  # a robot of the sandbox

    @cached_property
    def group(self) -> Group:
        """Return a group that is served for alice and owned by her in WeChat."""
        return self._group_of(self.alice)

    def _group_of(self, user: User) -> Group:
        return GroupFactory(user=user, robot=self.robot, wechat_owner_code=user.code, star=3)

    @cached_property
    def first_day(self) -> str:
        """Return the first settlement day, from the example in the specification."""
        EarningsRules.objects.update(settle_from="2018-11-01")
        return "2018-11-01"

    @cached_property
    def message(self) -> GroupMessage:
        return self._mention_in(self.group)

    def _mention_in(self, group: Group) -> GroupMessage:
        now = timezone.now()
        member = Member.objects.create(group=group, code="wx-speaker", nickname="小王", joined_at=group.bound_at)
        content = {"type": 3, "content": "@群主 在吗"}
        message = GroupMessage.objects.create(group=group, sender_code=member.code, content=content, sent_at=now)
        Mention.objects.create(message=message, group=group, user=group.user, mentioned_at=now)
        return message

    @cached_property
    def batch(self) -> KeywordBatch:
        return self._batch_of(self.alice, self.group)

    def _batch_of(self, user: User, group: Group) -> KeywordBatch:
        now = timezone.now()
        return batches.create_batch(user=user, group_codes=[group.code], keywords=["价格"], reply="看公告", at=now)

    @cached_property
    def category(self) -> ProblemCategory:
        return ProblemCategory.objects.get(type=ProblemCategory.Type.ROBOT_AND_GROUP, title="机器人不在群里")

    @cached_property
    def launch(self) -> Launch:
        return launched(self.group)

    @cached_property
    def draft(self) -> MassMessageDraft:
        return drafted(self.alice)

    @cached_property
    def mass_message(self) -> MassMessage:
        return scheduled(self.alice, self.group)

    @cached_property
    def withdrawal(self) -> Withdrawal:
        return requested_withdrawal(self.alice)

    def _withdrawal_of_mallory(self) -> Withdrawal:
        self.mallory.phone = "13900139001"
        self.mallory.save()
        credit(self.mallory, "20")
        return requested_withdrawal(self.mallory)

    @cached_property
    def slug(self) -> str:
        return short_links.shorten(LONG_URL).rsplit("/", 1)[1]

    @cached_property
    def _theirs(self) -> dict[str, Any]:
        group = self._group_of(self.mallory)
        return {
            "alice": lambda: self.mallory,
            "group": lambda: group,
            "message": lambda: self._mention_in(group),
            "batch": self._batch_of_mallory,
            "launch": lambda: launched(group),
            "draft": lambda: drafted(self.mallory),
            "withdrawal": self._withdrawal_of_mallory,
            "mass_message": lambda: scheduled(self.mallory, group),
        }

    def _batch_of_mallory(self) -> KeywordBatch:
        return self._batch_of(self.mallory, self._group_of(self.mallory))

    def theirs(self, name: str) -> Any:
        """Return mallory's object of that kind."""
        return self._theirs[name]()
