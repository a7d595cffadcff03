"""The side navigation of the admin: lists grouped by the work that they belong to, the most used first."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from config.backoffice.texts import Label

# (title, the lists used every day, the lists behind "更多")
SECTIONS: list[tuple[Label, tuple[str, ...], tuple[str, ...]]] = [
    (
        _("用户"),
        ("accounts.user", "feedback.problem", "feedback.conversation"),
        (
            "robots.friendship",
            "accounts.erasurerequest",
            "feedback.forwardedmessage",
            "feedback.problemcategory",
            "feedback.standardreply",
        ),
    ),
    (
        _("群"),
        ("groups.group", "keywords.keywordbatch", "launches.massmessage"),
        (
            "groups.member",
            "groups.mention",
            "groups.groupmessage",
            "groups.groupstatistics",
            "groups.canceljob",
            "launches.massmessagedraft",
            "launches.scheduledsending",
        ),
    ),
    (
        _("机器人"),
        ("robots.robot", "robots.outboxmessage"),
        ("robots.robotday", "robots.scan", "integrations.gatewayevent"),
    ),
    (_("投放"), ("launches.launch", "launches.delivery"), ("launches.resultreport",)),
    (
        _("资金"),
        ("earnings.withdrawal", "earnings.payout", "earnings.ledgerentry", "earnings.ledgertransaction"),
        (
            "earnings.account",
            "earnings.ledgercheck",
            "earnings.payoutpause",
            "earnings.settlementday",
            "earnings.articlereadday",
            "groups.starplan",
            "groups.articleprice",
            "earnings.earningsrules",
            "earnings.rulechange",
        ),
    ),
    (
        _("系统"),
        ("config.sitestatus", "config.marquee", "integrations.sensitiveword", "django_celery_beat.periodictask"),
        (
            "integrations.sensitivewordimport",
            "integrations.textmessage",
            "integrations.alarm",
            "integrations.alarmnotice",
            "config.shortlink",
            "config.pagevisit",
            "config.auditentry",
            "accounts.operator",
            "accounts.operatorchange",
            "config.apikey",
        ),
    ),
]


@dataclass(frozen=True)
class Link:
    """A list of the navigation."""

    name: str
    address: str
    is_current: bool


@dataclass(frozen=True)
class Section:
    """A section of the navigation. `more` is folded unless the current page is in it."""

    title: Label
    links: list[Link]
    more: list[Link]

    @property
    def is_open(self) -> bool:
        return not self.links or any(link.is_current for link in self.more)


def sections(app_list: list[dict[str, Any]], path: str) -> list[Section]:
    """Return the navigation of the lists in Django's `app_list`, which are those that the operator may see."""
    lists = {each["model"]._meta.label_lower: each for app in app_list for each in app["models"]}
    found = [Section(title, _links(main, lists, path), _links(more, lists, path)) for title, main, more in SECTIONS]
    return [section for section in found if section.links or section.more]


def _links(labels: tuple[str, ...], lists: dict[str, dict[str, Any]], path: str) -> list[Link]:
    """Return the links to the lists among these labels."""
    shown = [lists[label] for label in labels if label in lists and lists[label]["admin_url"]]
    return [Link(each["name"], each["admin_url"], path.startswith(each["admin_url"])) for each in shown]
