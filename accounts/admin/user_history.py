"""The figures and the timeline on the page of a user, as far as this app knows them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Count, OuterRef
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.labels import person_label
from accounts.models import EndedBlock, User, UserNote
from config.backoffice.changelist import match_count, match_text
from config.backoffice.figures import Figures, register_figures
from config.backoffice.timeline import Span, TimelineEvent, register_timeline
from config.models import AuditEntry


def figures_of_people(users: Sequence[User]) -> Mapping[Any, Figures]:
    """Return who invited each of these users, the number of apprentices up to a limit, and how often each was blocked.

    Takes two queries for all users, and one for each whose inviter was not selected with the row.
    """
    apprentices = apprentice_counts(users)
    ended = EndedBlock.objects.filter(user__in=users).order_by().values_list("user")
    blocks = dict(ended.annotate(Count("pk")))
    return {
        user.pk: [
            (_("师傅"), person_label(user.inviter) if user.inviter else "-"),
            (_("徒弟"), gettext("%s 人") % match_text(apprentices[user.pk])),
            (_("封号"), gettext("%s 次") % (blocks.get(user.pk, 0) + user.is_blocked)),
        ]
        for user in users
    }


def apprentice_counts(users: Sequence[User]) -> dict[Any, int]:
    """Return the number of apprentices of each of these users, as `match_count`, in one query."""
    count = match_count(User.objects.filter(inviter=OuterRef("pk")))
    return dict(User.objects.filter(pk__in=[user.pk for user in users]).values_list("pk", count))


def _moments(user: User, span: Span) -> Iterable[TimelineEvent]:
    """Return the events that the user's own row holds."""
    moments = [(user.created_at, gettext("注册")), (user.completed_at, gettext("补全资料"))]
    events = [TimelineEvent(at, text) for at, text in moments if at]
    if user.blocked_at:
        events.append(TimelineEvent(user.blocked_at, _blocked(user.blocked_reason), user.blocked_by))
    return span.of(events)


def _blocked(reason: str) -> str:
    return gettext("封号：%s") % reason


def _ended_blocks(user: User, span: Span) -> Iterable[TimelineEvent]:
    for row in span.rows(EndedBlock.objects.filter(user=user), "blocked_at"):
        yield TimelineEvent(row.blocked_at, _blocked(row.blocked_reason), row.blocked_by)


def _ends_of_blocks(user: User, span: Span) -> Iterable[TimelineEvent]:
    for row in span.rows(EndedBlock.objects.filter(user=user), "ended_at"):
        yield TimelineEvent(row.ended_at, gettext("解封：%s") % row.ended_reason, row.ended_by)


def _sign_outs(user: User, span: Span) -> Iterable[TimelineEvent]:
    """Return the sign-outs by operators, of which the user's row keeps the last only."""
    entries = AuditEntry.objects.filter(table_name=User._meta.db_table, row_id=str(user.pk))
    for entry in span.rows(entries.filter(changes__has_key="signed_out_at"), "noted_at"):
        yield TimelineEvent(entry.noted_at, gettext("退出登录"), entry.actor)


def _notes(user: User, span: Span) -> Iterable[TimelineEvent]:
    for row in span.rows(UserNote.objects.filter(user=user), "written_at"):
        yield TimelineEvent(row.written_at, gettext("备注：%s") % row.text, row.written_by)


register_figures("accounts.user", figures_of_people)
register_timeline(
    "accounts.user", _moments, _ended_blocks, _ends_of_blocks, _sign_outs, _notes, permission="accounts.view_user"
)
