"""Models of the users of the robot platform, their keys, codes and blocks."""

import uuid
from typing import Any, ClassVar, TypeVar

import pgtrigger
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import empty, filled, filled_together
from config.platform.dates import day_of, shanghai_time
from config.platform.locks import take_lock_in_trigger
from config.platform.lookups import id_or_code
from config.platform.triggers import FixedColumns, Rule

INVITERS_FORM_NO_CIRCLE = f"""
    IF TG_OP = 'UPDATE' AND NEW.inviter_id IS NOT DISTINCT FROM OLD.inviter_id THEN
        RETURN NEW;
    END IF;
    -- Two people inviting each other at the same time would each see no circle: one at a time.
    {take_lock_in_trigger("accounts_user.inviter")}
    IF EXISTS (
        WITH RECURSIVE up(id, inviter_id) AS (
            SELECT u.id, u.inviter_id FROM accounts_user u WHERE u.id = NEW.inviter_id
            UNION
            SELECT u.id, u.inviter_id FROM accounts_user u JOIN up ON u.id = up.inviter_id
        ) SELECT 1 FROM up WHERE id = NEW.id
    ) THEN
        RAISE EXCEPTION 'inviters form a circle' USING ERRCODE = 'check_violation', CONSTRAINT = 'inviters_form_no_circle';
    END IF;
    RETURN NEW;
"""  # noqa: S608 - a constant


class UserQuerySet(models.QuerySet["User"]):
    def by_reference(self, reference: object) -> "UserQuerySet":
        """Return the user with this id or gateway code. Operators are excluded."""
        return self.filter(id_or_code(reference), is_staff=False)

    def signed_in(self, user_id: Any, issued_at: Any) -> "UserQuerySet":
        """Return the user with this id, if a token issued then is still good. Operators are excluded."""
        active = self.filter(pk=user_id, is_active=True, is_staff=False)
        return active.filter(Q(signed_out_at=None) | Q(signed_out_at__lt=issued_at))

    def of_wechat_account(self, union_id: str) -> "UserQuerySet":
        """Return the active user of this WeChat account. Operators are excluded."""
        return self.filter(union_id=union_id, is_active=True, is_staff=False)


UserRow = TypeVar("UserRow", bound="User")


class UserManager(BaseUserManager[UserRow]):
    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> UserRow:
        """Create an operator with all permissions."""
        operator = self.model(username=username, is_staff=True, is_superuser=True, **fields)
        operator.set_password(password)
        operator.save(using=self._db)
        return operator


class User(AbstractBaseUser, PermissionsMixin):
    """A group owner or promoter who added a robot, or (with `is_staff`) an operator.

    A user exists from the moment a robot was added as a friend (`code`). The profile is complete once WeChat's union_id
    is bound (`completed_at`).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username = models.CharField(_("登录名"), max_length=64, unique=True, null=True, blank=True)
    is_staff = models.BooleanField(_("运营人员"), default=False)
    is_active = models.BooleanField(_("启用"), default=True)

    code = models.CharField(_("网关编号"), max_length=128, unique=True, null=True, blank=True)
    nickname = models.CharField(_("昵称"), max_length=128, blank=True)
    avatar_url = models.CharField(_("头像"), max_length=1024, blank=True)
    channel = models.CharField(_("渠道"), max_length=64, blank=True)
    union_id = models.CharField(_("微信 union_id"), max_length=128, unique=True, null=True, blank=True)
    open_id = models.CharField(_("微信 open_id"), max_length=128, blank=True)
    app_id = models.CharField(_("微信 app_id"), max_length=64, blank=True)
    completed_at = models.DateTimeField(_("补全时间"), null=True, blank=True)
    inviter = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="apprentices",
        db_index=False,
        verbose_name=_("师傅"),
    )
    phone = models.CharField(_("手机号"), max_length=11, unique=True, null=True, blank=True)
    identity_sealed = models.BinaryField(null=True, editable=False)  # accounts.identity encrypts and decrypts it
    identity_given_at = models.DateTimeField(_("实名时间"), null=True, blank=True)
    identity_hash = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001 - no card, no hash
    # Another user had this card already when the cards were hashed; both accounts are older than the rule and stay valid.
    identity_is_shared = models.BooleanField(default=False, editable=False)

    mentions_enabled = models.BooleanField(_("@消息通知"), default=True)
    blocked_at = models.DateTimeField(_("封号时间"), null=True, blank=True)
    blocked_by = models.CharField(_("封号操作人"), max_length=80, blank=True)
    blocked_reason = models.CharField(_("封号原因"), max_length=200, blank=True)
    # Proofs and tokens issued before this moment are rejected.
    signed_out_at = models.DateTimeField(_("登录失效时间"), null=True, blank=True)
    proofs_end_at = models.DateTimeField(null=True, editable=False)  # the same for proofs only; set by blocking
    erased_at = models.DateTimeField(_("账号注销时间"), null=True, blank=True, editable=False)  # accounts.erasure
    created_at = models.DateTimeField(_("注册时间"), auto_now_add=True)

    objects = UserManager.from_queryset(UserQuerySet)()
    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name, verbose_name_plural = _("用户"), pgettext_lazy("plural", "用户")
        permissions = [("block_user", "封号与解封"), ("erase_user", "注销账号")]
        ordering = ["-created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(inviter__isnull=True) | ~Q(inviter=F("id")), name="user_does_not_invite_oneself"
            ),
            models.CheckConstraint(
                condition=empty("completed_at") | filled("union_id"),
                name="completed_user_has_union_id",
            ),
            models.CheckConstraint(
                condition=filled("blocked_at") | empty(texts=["blocked_by"]),
                name="user_blocked_by_someone_has_blocked_at",
            ),
            models.CheckConstraint(
                condition=filled_together("identity_sealed", "identity_given_at"),
                name="sealed_identity_has_its_moment",
            ),
            models.CheckConstraint(
                condition=empty("identity_hash") | filled("identity_sealed"),
                name="hashed_identity_is_sealed",
            ),
            models.CheckConstraint(
                condition=Q(identity_is_shared=False) | filled("identity_hash"),
                name="shared_identity_is_hashed",
            ),
            models.UniqueConstraint(
                fields=["identity_hash"],
                condition=Q(is_active=True, identity_is_shared=False),
                name="one_active_user_per_identity_card",
            ),
            models.CheckConstraint(
                condition=empty("erased_at")
                | Q(is_active=False, is_staff=False)
                & empty("username", "code", "phone", "identity_sealed", texts=["avatar_url", "open_id"])
                & filled("blocked_at", "signed_out_at"),
                name="erased_user_is_nobody",
            ),
            models.CheckConstraint(
                condition=Q(phone__isnull=True) | Q(phone__regex=r"^1[3-9]\d{9}$"),
                name="phone_is_a_mainland_number",
            ),
        ]
        indexes = [
            # GET /user/apprentice
            models.Index(fields=["inviter", "-created_at", "id"], name="users_by_inviter"),
            models.Index(fields=["-created_at", "id"], name="users_newest_first"),
            # filters of the admin list: any digits of a phone, the start of a nickname, blocked users, one channel
            GinIndex(fields=["phone"], opclasses=["gin_trgm_ops"], name="users_by_part_of_phone"),
            models.Index(fields=["nickname"], opclasses=["varchar_pattern_ops"], name="users_by_nickname"),
            models.Index(fields=["-created_at", "id"], condition=Q(blocked_at__isnull=False), name="users_blocked"),
            models.Index(fields=["username"], condition=Q(is_staff=True), name="operators_by_name"),
            models.Index(fields=["channel", "-created_at"], condition=~Q(channel=""), name="users_of_channel"),
            # risk hints: other users with the same WeChat account
            models.Index(fields=["open_id", "app_id"], condition=~Q(open_id=""), name="users_by_wechat_account"),
            # risk hints: other users with the same card; hash_identity_cards: cards without a hash
            models.Index(
                fields=["identity_hash"], condition=Q(identity_hash__isnull=False), name="users_by_identity_card"
            ),
            models.Index(
                fields=["identity_given_at", "id"],
                condition=Q(identity_sealed__isnull=False, identity_hash__isnull=True),
                name="users_with_unhashed_card",
            ),
        ]
        triggers = [
            FixedColumns(
                name="inviter_is_set_once",
                operation=pgtrigger.UpdateOf("inviter_id"),
                fields=["inviter"],
                condition="OLD.inviter_id IS NOT NULL",
                constraint="inviter_is_set_once",
                message="an inviter is set once",
            ),
            Rule(
                name="inviters_form_no_circle",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("inviter_id"),
                condition=pgtrigger.Condition("NEW.inviter_id IS NOT NULL"),
                func=INVITERS_FORM_NO_CIRCLE,
            ),
        ]

    def __str__(self) -> str:
        return self.nickname or self.username or gettext("没有昵称的用户")

    @property
    def is_blocked(self) -> bool:
        return self.blocked_at is not None


class IdentityHashKey(models.Model):
    """The key of the hashes of identity cards, encrypted under IDENTITY_KEYS (accounts.identity_keys). One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    sealed_key = models.BinaryField(editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("身份证哈希密钥"), pgettext_lazy("plural", "身份证哈希密钥")
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_identity_hash_key")]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


class CompletionKey(models.Model):
    """The secret of a completion link, stored as a hash.

    All links of a user are valid until the first of them is used.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="completion_keys", verbose_name=_("用户"))
    key_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(_("创建时间"))
    expires_at = models.DateTimeField(_("失效时间"))

    class Meta:
        verbose_name, verbose_name_plural = _("补全链接"), pgettext_lazy("plural", "补全链接")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="completion_key_expires_after_it_was_made"
            ),
        ]

    def __str__(self) -> str:
        return shanghai_time(self.created_at)


class EndedBlock(models.Model):
    """A period during which a user was blocked, recorded when the block ends: a day settled late pays nothing for it.

    A block that has not ended is stored on the user (`blocked_at`).
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="ended_blocks", verbose_name=_("用户"))
    blocked_at = models.DateTimeField(_("封号时间"))
    blocked_by = models.CharField(_("封号操作人"), max_length=80, blank=True)
    blocked_reason = models.CharField(_("封号原因"), max_length=200, blank=True)
    ended_at = models.DateTimeField(_("解封时间"))
    ended_by = models.CharField(_("解封操作人"), max_length=80, blank=True, db_default="")
    ended_reason = models.CharField(_("解封原因"), max_length=200, blank=True, db_default="")

    class Meta:
        verbose_name, verbose_name_plural = _("封号记录"), pgettext_lazy("plural", "封号记录")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(ended_at__gte=F("blocked_at")), name="block_ends_after_it_began"),
        ]
        indexes = [models.Index(fields=["ended_at"], name="blocks_by_end")]  # settlement: users blocked at a moment

    def __str__(self) -> str:
        return f"{day_of(self.blocked_at)} – {day_of(self.ended_at)}"


class VerificationCode(models.Model):
    """An SMS code that proves a phone. A new code replaces the earlier ones once the provider has accepted it.

    Until then all of them are valid, and they stay valid when it is unknown whether the new code was sent.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="verification_codes")
    phone = models.CharField(max_length=11)
    code_hash = models.CharField(max_length=64)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    wrong_tries = models.PositiveSmallIntegerField(default=0)
    used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("短信验证码"), pgettext_lazy("plural", "短信验证码")
        constraints = [
            models.CheckConstraint(condition=Q(wrong_tries__lte=5), name="five_wrong_tries_burn_a_code"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("sent_at")), name="code_expires_after_it_was_sent"),
        ]
        indexes = [models.Index(fields=["user", "phone"], name="codes_of_user_and_phone")]

    def __str__(self) -> str:
        return f"{self.phone[:3]}****{self.phone[-4:]}"
