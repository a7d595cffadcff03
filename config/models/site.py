"""Models of the service status, the marquee, short links and visits."""

from typing import TypeAlias

from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _


class ShortLink(models.Model):
    """A short address that redirects to a long address. The same long address always has the same short address."""

    id = models.BigAutoField(primary_key=True)
    slug = models.CharField(_("短码"), max_length=64, unique=True)  # a secret link stores the hash of its slug
    url = models.CharField(_("目标地址"), max_length=2048)
    url_hash = models.CharField(max_length=64, unique=True, editable=False)
    is_secret = models.BooleanField(default=False, editable=False)  # hidden from operators: it carries a key
    click_count = models.BigIntegerField(_("点击数"), default=0)
    created_at = models.DateTimeField(_("创建时间"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("短链"), pgettext_lazy("plural", "短链")
        ordering = ["-id"]
        indexes = [HashIndex(fields=["url"], name="short_links_by_url")]  # the back office's search
        constraints = [
            models.CheckConstraint(condition=Q(click_count__gte=0), name="short_link_clicks_not_negative"),
            models.CheckConstraint(
                condition=Q(url__startswith="http://") | Q(url__startswith="https://"),
                name="short_link_leads_to_the_web",
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class ServiceStatus(models.IntegerChoices):
    RUNNING = 1, _("正常")
    MAINTENANCE = 2, _("维护")


class SiteStatus(models.Model):
    """The status of the service that clients show. The newest row is current, the others are history."""

    Status: TypeAlias = ServiceStatus

    status = models.SmallIntegerField(_("状态"), choices=Status.choices)
    upgrade_end = models.CharField(_("维护结束时间"), max_length=100, blank=True)  # clients show it unchanged
    set_at = models.DateTimeField(_("设置时间"))
    set_by = models.CharField(_("设置人"), max_length=80)

    class Meta:
        verbose_name, verbose_name_plural = _("服务状态"), pgettext_lazy("plural", "服务状态")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[ServiceStatus.RUNNING, ServiceStatus.MAINTENANCE]),
                name="site_status_is_1_or_2",
            ),
            models.CheckConstraint(
                condition=Q(status=ServiceStatus.RUNNING) | ~Q(upgrade_end=""),
                name="maintenance_has_an_end",
                violation_error_message=_("状态为维护时，请填写维护结束时间。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_status_display()} {self.upgrade_end}".strip()


class Marquee(models.Model):
    """The scrolling line of the home page. The newest row is current, the others are history."""

    is_shown = models.BooleanField(_("显示"))
    content = models.CharField(_("内容"), max_length=500, blank=True)
    set_at = models.DateTimeField(_("设置时间"))
    set_by = models.CharField(_("设置人"), max_length=80)

    class Meta:
        verbose_name, verbose_name_plural = _("跑马灯"), pgettext_lazy("plural", "跑马灯")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.content or gettext("（空）")


class PageVisit(models.Model):
    """The number of times that the client was opened on a day."""

    day = models.DateField(_("日期"), unique=True)
    visit_count = models.PositiveBigIntegerField(_("访问次数"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("访问量"), pgettext_lazy("plural", "访问量")
        ordering = ["-day"]

    def __str__(self) -> str:
        return gettext("%(day)s 访问 %(count)s 次") % {"day": self.day, "count": self.visit_count}
