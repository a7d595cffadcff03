"""Profiles of users: registration of a robot's contact, completion with a WeChat account, refresh."""

from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.blocking import Blocked
from accounts.models import User
from accounts.referral import set_inviter
from config.errors import Code, Conflict, NotFound, Refusal


class ProfileAlreadyCompleted(Refusal):
    code = Code.PROFILE_ALREADY_COMPLETED
    message = "资料已经补全过了，直接登录即可"


class WeChatAccountTaken(Conflict):
    message = "该微信账号已绑定其他用户"


def register_contact(*, user_code: str, nickname: str, avatar_url: str, channel: str) -> User:
    """Return the user with this gateway code, created at the first contact. Updates nickname and picture until completion."""
    user, is_new = User.objects.get_or_create(
        code=user_code, defaults={"nickname": nickname, "avatar_url": avatar_url, "channel": channel}
    )
    if not is_new and user.completed_at is None:
        User.objects.filter(pk=user.pk).update(
            nickname=nickname or user.nickname, avatar_url=avatar_url or user.avatar_url
        )
    return user


def refresh_profile(*, user: User, open_id: str, app_id: str, nickname: str, avatar_url: str) -> None:
    """Store the current WeChat account, nickname and picture of a user. Blank values change nothing."""
    User.objects.filter(pk=user.pk).update(
        open_id=open_id or user.open_id,
        app_id=app_id if open_id else user.app_id,
        nickname=nickname or user.nickname,
        avatar_url=avatar_url or user.avatar_url,
    )


def complete_profile(
    *,
    user: User,
    union_id: str,
    open_id: str,
    app_id: str,
    nickname: str,
    avatar_url: str,
    inviter: User | None,
    channel: str,
    at: datetime,
) -> User:
    """Bind a WeChat account to a user.

    An inviter whom the referral tree does not allow is ignored. Raises NotFound (1404) for an operator or inactive user,
    Blocked (1401), ProfileAlreadyCompleted (2200), or WeChatAccountTaken (1409) when the account belongs to another user.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)  # not `no_key`: the unique union_id changes
        if user.is_staff or not user.is_active:
            raise NotFound
        if user.is_blocked:
            raise Blocked
        if user.completed_at is not None:
            raise ProfileAlreadyCompleted
        user.union_id, user.open_id, user.app_id = union_id, open_id, app_id
        user.nickname, user.avatar_url = nickname or user.nickname, avatar_url or user.avatar_url
        user.channel = channel or user.channel
        user.completed_at = at
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError as error:
            raise WeChatAccountTaken from error
        set_inviter(user, inviter)
        return user
