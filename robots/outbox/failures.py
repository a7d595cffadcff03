"""The known kinds of reasons for which a message was not sent, as operators read and filter them."""

from dataclasses import dataclass

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from integrations.gateway.calls import SYSTEM


@dataclass(frozen=True)
class Failure:
    """A kind of reason: its label, and the texts of which `last_error` has one (at its start with `is_start`)."""

    label: Promise
    texts: tuple[str, ...]
    is_start: bool = False

    def q(self) -> Q:
        """Return the condition that a message has such a reason."""
        lookup = "last_error__startswith" if self.is_start else "last_error__contains"
        found = Q()
        for text in self.texts:
            found |= Q(**{lookup: text})
        return found

    def is_in(self, reason: str) -> bool:
        return any(reason.startswith(text) if self.is_start else text in reason for text in self.texts)


# In the order in which a reason is compared with them. Reasons of our own are sentences already.
FAILURES = {
    "unreachable": Failure(_("连不上网关"), ("no connection", "broke off", "ConnectionError")),
    "timeout": Failure(_("网关没有及时回答"), ("Timeout", "timed out")),
    "busy": Failure(_("网关繁忙"), ("HTTP 429", "too many calls")),
    "broken": Failure(_("网关故障"), ("HTTP 5", "not JSON", "answer without", "not an object")),
    "receiver": Failure(_("系统未能处理网关的应答"), ("系统未能处理",), is_start=True),
    "refused": Failure(_("网关拒绝"), (f"{SYSTEM}: ",), is_start=True),
    "robot": Failure(_("机器人不可用"), ("机器人",), is_start=True),
    "group": Failure(_("群已注销或重新绑定"), ("群",), is_start=True),
    "launch": Failure(_("投放已取消"), ("投放",), is_start=True),
    "user": Failure(_("用户撤回或已注销账号"), ("用户",), is_start=True),
    "operator": Failure(_("由运营人员关闭"), ("由 ",), is_start=True),
}


def failure_conditions() -> dict[str, Q]:
    """Return {kind: condition that a message has a reason of this kind and of none before it}."""
    conditions, before = dict[str, Q](), Q(pk__in=[])
    for name, kind in FAILURES.items():
        conditions[name] = kind.q() & ~before
        before |= kind.q()
    return conditions


def failure_text(reason: str) -> str:
    """Return a reason as a person reads it. The gateway's answer follows in parentheses, because its support asks for it."""
    answer = reason.removeprefix(f"{SYSTEM}: ")
    if answer == reason:
        return reason
    kind = next(each for each in FAILURES.values() if each.is_in(reason))
    return f"{kind.label}（{answer}）"
