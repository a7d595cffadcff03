"""Permission classes of the API. The default denies every call; each view states its own."""

import logging
from typing import Any, ClassVar

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import Token

from config.api.proofs import Proof
from config.models import ApiKey, Scope

logger = logging.getLogger(__name__)


class Nobody(BasePermission):
    """The default permission: a view that states no permission denies every call."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class Anyone(BasePermission):
    """The permission of public operations."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return True


class IsUser(BasePermission):
    """The permission for users with an access token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Token):
            raise NotAuthenticated
        return True


class IsProven(BasePermission):
    """The permission for users whose browser carries a WeChat proof."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Proof):
            raise NotAuthenticated
        return True


class IsNotBlocked(BasePermission):
    """The permission that denies writes to blocked users. `writing_reads` names GET actions that change something."""

    def has_permission(self, request: Request, view: Any) -> bool:
        is_write = request.method not in SAFE_METHODS or view.action in getattr(view, "writing_reads", ())
        if is_write and getattr(request.user, "is_blocked", False):
            raise PermissionDenied("账号已被封，不能进行此操作，请联系客服", code="stated")
        return True


class HasScope(BasePermission):
    """The permission for keys that carry `scope` and for operators with all `operator_permissions`.

    Without settings.ENFORCE_AUTH (the embedded mode) every caller is allowed, with one warning per operation.
    """

    scope: ClassVar[Scope]
    operator_permissions: ClassVar[tuple[str, ...]]
    _warned: ClassVar[set[str]] = set()

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, ApiKey):
            return request.auth.allows(self.scope)
        if getattr(request.user, "is_staff", False) and not isinstance(request.auth, Token):
            return request.user.has_perms(self.operator_permissions)
        if not settings.ENFORCE_AUTH:
            self._warn(request)
            return True
        raise NotAuthenticated

    def _warn(self, request: Request) -> None:
        operation = f"{request.method} {request.resolver_match.route if request.resolver_match else request.path}"
        if operation not in self._warned:
            self._warned.add(operation)
            logger.warning("%s is open: the embedded mode asks for no key (ENFORCE_AUTH=1 does)", operation)


def needs(scope: Scope, operator_permission: str, *more: str) -> type[HasScope]:
    """Return the permission class of a service operation. It needs a permission: an empty list allows every operator."""
    name = "Needs" + scope.name.title().replace("_", "")
    return type(name, (HasScope,), {"scope": scope, "operator_permissions": (operator_permission, *more)})
