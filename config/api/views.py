"""What every viewset of the API has in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from django.db.models import Model
from django.http import HttpResponse
from rest_framework.exceptions import MethodNotAllowed, NotFound
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.viewsets import GenericViewSet

from config.api.actors import actor
from config.api.authentication import OperatorAuthentication
from config.api.paging import MAX_PAGE_SIZE
from config.api.throttles import Throttle
from config.platform import audit

Row = TypeVar("Row", bound=Model, covariant=True)


class OperationViews(GenericViewSet[Row]):
    """Explicit verb maps in urls.py. A method that the path does not have is 405 whoever asks.

    The audit log always has what signed-in operators write; with `audits_every_caller` it has the calls of keys too.
    `limits` names, by method, the throttle scopes that keep abuse of it within bounds (config.api.throttles.Throttle).
    """

    max_page_size: ClassVar[int] = MAX_PAGE_SIZE
    audits_every_caller: ClassVar[bool] = False
    limits: ClassVar[Mapping[str, Sequence[str]]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method == "OPTIONS":
            return  # it tells which methods the path has, which the documentation tells anyone
        if (request.method or "").lower() not in self.action_map:
            raise MethodNotAllowed(request.method or "")
        if "\x00" in request.path:
            raise NotFound  # no id of ours has one, and PostgreSQL does not take it
        if request.method == "HEAD" and self.action in getattr(self, "writing_reads", ()):
            raise MethodNotAllowed(request.method)  # whoever only looks does not make it act
        super().initial(request, *args, **kwargs)
        self._note_if_written(request)

    def get_throttles(self) -> list[BaseThrottle]:
        throttles = super().get_throttles()
        is_counted = any(isinstance(one, Throttle) for one in throttles)
        return throttles if is_counted or self.action not in self.limits else [*throttles, Throttle()]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add `no-store` to every answer that says nothing of caches: most hold what one user or one key may see."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def options(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        """Answer 204 with `Allow`, and with no word on other origins: where they may call, django-cors-headers answers."""
        return HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    def _note_if_written(self, request: Request) -> None:
        is_operators = isinstance(request.successful_authenticator, OperatorAuthentication)
        if (is_operators or self.audits_every_caller) and request.method not in SAFE_METHODS:
            method = str(request.method).lower()
            setattr(self, method, _noted(getattr(self, method)))


def _noted(act: Callable[..., Response]) -> Callable[..., Response]:
    """Return `act` in a transaction whose changes the audit log notes, as it does those made in the admin."""

    def within(request: Request, *args: Any, **kwargs: Any) -> Response:
        with audit.acting(by=actor(request), via=f"{request.method} {request.path}"):
            return act(request, *args, **kwargs)

    return within
