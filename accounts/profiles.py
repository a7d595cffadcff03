"""From somebody a robot met to a user with a complete profile."""

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
    """The user whom a robot met, made on the first meeting; what WeChat shows of them is kept fresh."""
    user, is_new = User.objects.get_or_create(
        code=user_code, defaults={"nickname": nickname, "avatar_url": avatar_url, "channel": channel}
    )
    if not is_new and user.completed_at is None:
        User.objects.filter(pk=user.pk).update(
            nickname=nickname or user.nickname, avatar_url=avatar_url or user.avatar_url
        )
    return user


def refresh_profile(*, user: User, open_id: str, app_id: str, nickname: str, avatar_url: str) -> None:
    """Take over what WeChat shows of a user by now; what is blank stays as it was."""
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
    """Bind a WeChat account to a user, once (2200); a WeChat account belongs to one user (1409); blocked: 1401.

    Who is an operator or was deactivated is not found (1404).

    An inviter whom the referral tree does not allow is left out.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)  # its union_id, a key, changes
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
