"""Models of service keys, with which outside systems call the API."""

import uuid
from datetime import datetime
from typing import Any

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.platform.constraints import empty, filled
from config.platform.networks import is_within
from config.platform.triggers import Rule


class Scope(models.TextChoices):
    """The permissions that a service key can carry."""

    STATUS_WRITE = "status:write", _("设置服务状态")
    MARQUEE_WRITE = "marquee:write", _("设置跑马灯")
    SMS_SEND = "sms:send", _("批量发送短信")
    GROUPS_CANCEL = "groups:cancel", _("批量注销群")
    USERS_BLOCK = "users:block", _("封号")
    ROBOTS_WRITE = "robots:write", _("管理机器人")
    STARS_WRITE = "stars:write", _("群星级评定")
    LAUNCHES_WRITE = "launches:write", _("群投放")
    SETTLEMENT_WRITE = "settlement:write", _("文章收益结算")
    GATEWAY_EVENTS = "gateway:events", _("机器人网关事件")
    BACKOFFICE_READ = "backoffice:read", _("后台列表")
    WITHDRAWALS_REVIEW = "withdrawals:review", _("审核提现")
    LINKS_WRITE = "links:write", _("短链")
    AUTH_ISSUE = "auth:issue", _("代用户登录")


CONFIRMED_SCOPES = (Scope.WITHDRAWALS_REVIEW,)  # a second administrator confirms a key with one of these


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def waiting(self) -> "ApiKeyQuerySet":
        """Return the keys that wait for the confirmation of a second administrator."""
        return self.filter(WAITING_FOR_CONFIRMATION)


class ApiKey(models.Model):
    """A key of an outside system. Only its hash is stored; the key itself is shown once.
    A system can have several keys with the same name: the next key is created before the last one expires or is revoked.
    A key is not accepted for any of CONFIRMED_SCOPES before it is confirmed. The database removes the confirmation when
    the name, scopes, networks, expiry or hash of the key change (trigger confirmed_as_it_was).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("名称"), max_length=80)
    prefix = models.CharField(_("前缀"), max_length=8, help_text=_("密钥的前几位，便于辨认"))
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope.choices), verbose_name=_("权限范围"))
    created_at = models.DateTimeField(_("创建时间"), auto_now_add=True)
    created_by = models.CharField(
        _("创建人"), max_length=80, blank=True, editable=False
    )  # empty: created by no operator
    confirmed_at = models.DateTimeField(_("确认时间"), null=True, blank=True, editable=False)
    confirmed_by = models.CharField(_("确认人"), max_length=80, blank=True, editable=False)
    expires_at = models.DateTimeField(
        _("失效时间"), null=True, blank=True, help_text=_("到这一刻为止有效；不填则一直有效")
    )
    networks = ArrayField(
        models.CharField(max_length=43),
        default=list,
        blank=True,
        verbose_name=_("允许的地址"),
        help_text=_("只接受来自这些地址或网段的调用，每行一个，如 203.0.113.7 或 10.1.0.0/16；不填则不限制"),
    )
    last_used_at = models.DateTimeField(_("最近使用"), null=True, blank=True)
    last_used_from = models.GenericIPAddressField(_("最近使用的地址"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("吊销时间"), null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("吊销人"),
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("接口密钥"), pgettext_lazy("plural", "接口密钥")
        permissions = [("revoke_apikey", "吊销密钥"), ("confirm_apikey", "确认密钥")]
        ordering = ["-created_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(scopes__len__gt=0), name="api_key_has_a_scope"),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")),
                name="api_key_expires_after_it_was_made",
            ),
            models.CheckConstraint(
                condition=empty("last_used_from") | filled("last_used_at"),
                name="api_key_used_from_somewhere_was_used",
            ),
            models.CheckConstraint(
                condition=filled("revoked_at") | empty("revoked_by"),
                name="key_revoked_by_someone_has_revoked_at",
            ),
            models.CheckConstraint(
                condition=filled("confirmed_at") | empty(texts=["confirmed_by"]),
                name="key_confirmed_by_someone_has_confirmed_at",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_at__isnull=True)
                | Q(created_by="")
                | (~Q(confirmed_by="") & ~Q(confirmed_by=F("created_by"))),
                name="operators_key_is_confirmed_by_another",
            ),
        ]
        triggers = [
            Rule(
                name="confirmed_as_it_was",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "NEW.confirmed_at IS NOT DISTINCT FROM OLD.confirmed_at"
                    " AND ((NEW.name, NEW.key_hash, NEW.scopes, NEW.networks, NEW.expires_at)"
                    " IS DISTINCT FROM (OLD.name, OLD.key_hash, OLD.scopes, OLD.networks, OLD.expires_at)"
                    " OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL))"
                ),
                func="NEW.confirmed_at := NULL; NEW.confirmed_by := ''; RETURN NEW;",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_valid(self, *, address: str, at: datetime) -> bool:
        """Return whether the key is accepted from this address at this moment."""
        is_live = self.revoked_at is None and (self.expires_at is None or at < self.expires_at)
        return is_live and (not self.networks or is_within(address, self.networks))

    def allows(self, scope: str) -> bool:
        """Return whether the key is not revoked and carries `scope`, confirmed where CONFIRMED_SCOPES requires it."""
        has_scope = self.revoked_at is None and scope in self.scopes
        return has_scope and (scope not in CONFIRMED_SCOPES or self.confirmed_at is not None)

    @property
    def needs_confirmation(self) -> bool:
        """Return whether the key waits for the confirmation of a second administrator."""
        is_open = self.confirmed_at is None and self.revoked_at is None
        return is_open and not set(CONFIRMED_SCOPES).isdisjoint(self.scopes)


WAITING_FOR_CONFIRMATION = Q(
    scopes__overlap=[scope.value for scope in CONFIRMED_SCOPES], confirmed_at__isnull=True, revoked_at__isnull=True
)


def revoke(key: ApiKey, *, by: Any, at: datetime) -> bool:
    """Revoke a key for ever. Returns False when it was revoked before."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=at, revoked_by=by))
