"""Creation of a few rows in every table that the admin lists."""

from datetime import timedelta
from itertools import count

from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.models import ErasureRequest, OperatorChange
from accounts.operator_changes import NO_RIGHTS
from config.api.keys import issue_key
from config.models import PageVisit, Scope, ShortLink
from config.platform import audit
from config.site import status
from earnings import withdrawals
from earnings.models import ArticleReadDay, LedgerCheck, PayoutPause, RedPacketOpening, RuleChange, SettlementDay
from feedback.models import Conversation, ForwardedMessage, Problem, ProblemCategory, StandardReply
from groups.models import ArticlePrice, CancelJob, GroupMessage, GroupStatistics, Member, Mention, StarPlan
from integrations.models import Alarm, AlarmNotice, GatewayEvent, SensitiveWord, SensitiveWordImport, TextMessage
from keywords.models import KeywordBatch
from robots.models import MessageAttempt, OutboxMessage, RobotDay, Scan, SourceType
from tests.factories.launches import launched, scheduled
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import FriendshipFactory, GroupFactory, OperatorFactory, UserFactory

_numbers = count(1)


def make_rows(times: int) -> None:
    for _ in range(times):
        _one_of_each(next(_numbers))


def _one_of_each(n: int) -> None:
    now = timezone.now()
    user = UserFactory(phone=f"137{n:08}", inviter=UserFactory())
    OperatorFactory()
    ErasureRequest.objects.create(user=user, reason="x", asked_at=now, asked_by="root")
    friendship = FriendshipFactory(user=user)
    robot = friendship.robot
    RobotDay.objects.create(robot=robot, day=now.date(), quota=3)
    Scan.objects.create(
        union_id=f"scan-{n}", open_id="o", robot=robot, inviter=user, scanned_at=now, assigned_at=now
    )
    group = GroupFactory(user=user, robot=robot)
    launched(group, GroupFactory(launch_switch=False))
    scheduled(user, group)
    Member.objects.create(group=group, code=f"m-{n}", joined_at=now)
    message = GroupMessage.objects.create(group=group, sender_code="m", sent_at=now, content={"content": "hi"})
    Mention.objects.create(message=message, group=group, user=group.user, mentioned_at=now)
    GroupStatistics.objects.create(group=group, day=now.date(), member_count=3)
    CancelJob.objects.create(references=[], reason=4, asked_at=now, asked_by="root", next_attempt_at=now)
    text = OutboxMessage.objects.create(
        robot=robot,
        user_code="u",
        ordering_key=f"c{n}",
        source_type=SourceType.PROBLEM,
        source_id="test",
        created_at=now,
        not_before=now,
        next_attempt_at=now,
    )
    MessageAttempt.objects.create(message=text, outcome=MessageAttempt.Outcome.UNKNOWN, tried_at=now)
    RedPacketOpening.objects.create(user=user, opened_at=now)
    KeywordBatch.objects.create(user=user, keywords=["a"], reply_content="b", created_at=now)
    Problem.objects.create(user=user, category=ProblemCategory.objects.first(), robot=robot, reported_at=now)
    StandardReply.objects.create(title=f"答复{n}", text="好的")
    conversation = Conversation.objects.create(user=user, opened_at=now, last_message_at=now)
    ForwardedMessage.objects.create(
        conversation=conversation, kind="text", content="x", written_at=now, next_attempt_at=now
    )
    GatewayEvent.objects.create(
        event_id=f"rows-{n}", command="x", body={}, ordering_key="", received_at=now, next_attempt_at=now
    )
    word_import = SensitiveWordImport.objects.create(file_name=f"{n}.csv", imported_at=now, imported_by="root")
    SensitiveWord.objects.create(word=f"词{n}", word_import=word_import)
    TextMessage.objects.create(batch=user.pk, phone=user.phone, content="x", created_at=now, next_attempt_at=now)
    alarm = Alarm.objects.create(key=f"k{n}", title=f"告警{n}", began_at=now, last_seen_at=now)
    AlarmNotice.objects.create(alarm=alarm, channel="email", is_end=False, next_attempt_at=now)
    credit(user, "100")
    withdrawals.approve([requested_withdrawal(user).pk], by="root", at=now)
    issue_key(f"key-{n}", [Scope.SMS_SEND])
    ShortLink.objects.create(slug=f"s{n}", url="http://a", url_hash=f"h{n}")
    status.set_status(status=1, upgrade_end="", by="root", at=now)
    status.set_marquee(is_shown=False, content="", by="root", at=now)
    StarPlan.objects.create(star=1, daily_profit="0.02", valid_from=now.date() + timedelta(days=n + 1))
    ArticlePrice.objects.create(amount="0.16", valid_from=now.date() + timedelta(days=n + 1))
    OperatorChange.objects.create(kind="add", username=f"new-{n}", values=NO_RIGHTS, asked_at=now, asked_by="root")
    RuleChange.objects.create(
        target=RuleChange.Target.PRICE,
        values={"amount": "0.17"},
        effect=0,
        needs_second=True,
        asked_at=now,
        asked_by=f"operator {n}",
    )
    day = now.date().replace(year=2000 + n % 20)
    PageVisit.objects.get_or_create(day=day)
    SettlementDay.objects.get_or_create(day=day, defaults={"settled_at": now})
    ArticleReadDay.objects.get_or_create(day=day, defaults={"settled_at": now, "settled_by": "bi"})
    LedgerCheck.objects.create(checked_at=now)
    PayoutPause.objects.create(reason="x", paused_at=now, paused_by="root", resumed_at=now, resumed_by="root")
    interval, _ = IntervalSchedule.objects.get_or_create(every=10, period="seconds")
    PeriodicTask.objects.create(name=f"job {n}", task="config.tasks.flush_visits", interval=interval)
    with audit.acting(by="root", via="test"):
        SensitiveWord.objects.create(word=f"注{n}")
