"""The base class of all viewsets of the API."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, TypeVar

from django.db.models import Model
from django.http import HttpResponse, HttpResponseBase
from rest_framework.authentication import BaseAuthentication
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
    """A viewset with explicit method maps in urls.py. A method that the path does not have is 405 for every caller.

    The audit log records the writes of signed-in operators, and with `audits_every_caller` those of keys too.
    `limits` maps an action to the throttle scopes that restrain its abuse (config.api.throttles.Throttle).
    """

    max_page_size: ClassVar[int] = MAX_PAGE_SIZE
    audits_every_caller: ClassVar[bool] = False
    limits: ClassVar[Mapping[str, Sequence[str]]] = {}

    # Actions whose statements confirm the user of a token themselves (accounts.queries). For all others, it is done before.
    confirms_user: ClassVar[Sequence[str]] = ()

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Run the operation as DRF does, and confirm the user of a token before anything is answered."""
        self.args, self.kwargs, self.headers = args, kwargs, self.default_response_headers
        self.request = self.initialize_request(request, *args, **kwargs)
        try:
            self.initial(self.request, *args, **kwargs)
            handler = getattr(self, str(request.method).lower(), self.http_method_not_allowed)
            response = handler(self.request, *args, **kwargs)
            _confirm_user(self.request)
        except Exception as error:  # noqa: BLE001 - each exception is an answer (config.api.exception_handler)
            response = self.handle_exception(error)
        self.response = self.finalize_response(self.request, response, *args, **kwargs)
        return self.response

    def handle_exception(self, exc: Exception) -> Response:
        try:
            _confirm_user(self.request)
        except Exception as error:  # noqa: BLE001 - an outdated token is refused before anything else
            exc = error
        return super().handle_exception(exc)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method == "OPTIONS":
            return  # the methods of a path are public: the documentation shows them too
        if (request.method or "").lower() not in self.action_map:
            raise MethodNotAllowed(request.method or "")
        if "\x00" in request.path:
            raise NotFound  # no id contains NUL, and PostgreSQL refuses it
        if request.method == "HEAD" and self.action in getattr(self, "writing_reads", ()):
            raise MethodNotAllowed(request.method)  # a HEAD request must not change anything
        super().initial(request, *args, **kwargs)
        self._audit_if_written(request)

    # DRF makes new objects for each request; these have no state.
    def get_authenticators(self) -> list[BaseAuthentication]:
        return _instances(tuple(self.authentication_classes))

    def get_permissions(self) -> list[Any]:
        return _instances(tuple(self.permission_classes))

    def get_parsers(self) -> list[Any]:
        return _instances(tuple(self.parser_classes))

    def get_renderers(self) -> list[Any]:
        return _instances(tuple(self.renderer_classes))

    def get_content_negotiator(self) -> Any:
        [negotiator] = _instances((self.content_negotiation_class,))
        return negotiator

    def get_throttles(self) -> list[BaseThrottle]:
        throttles: list[BaseThrottle] = _instances(tuple(self.throttle_classes))
        is_counted = any(isinstance(one, Throttle) for one in throttles)
        return throttles if is_counted or self.action not in self.limits else [*throttles, Throttle()]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add `no-store` to every response without a Cache-Control: most hold data of one user or one key."""
        if isinstance(response, Response):
            response = self._rendered(response)
        for name, value in {"Cache-Control": "no-store", **self.headers}.items():
            response.headers.setdefault(name, value)
        return response

    def _rendered(self, response: Response) -> HttpResponse:
        """Return the response with its bytes, headers and cookies. Every view renders with its first renderer."""
        [renderer, *_] = self.get_renderers()
        finished = HttpResponse(renderer.render(response.data), status=response.status_code)
        for name, value in response.items():
            finished.headers[name] = value
        finished.headers["Content-Type"] = renderer.media_type
        finished.cookies = response.cookies
        return finished

    def options(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]  # no Response
        """Return 204 with `Allow`. It has no CORS headers: django-cors-headers answers for the allowed origins."""
        return HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    def _audit_if_written(self, request: Request) -> None:
        is_operators = isinstance(request.successful_authenticator, OperatorAuthentication)
        if (is_operators or self.audits_every_caller) and request.method not in SAFE_METHODS:
            method = str(request.method).lower()
            setattr(self, method, _audited(getattr(self, method)))


@cache
def _instances(classes: tuple[Any, ...]) -> list[Any]:
    return [each() for each in classes]


def _confirm_user(request: Request) -> None:
    """Raise SignedOut for a user whose token is outdated, unless a statement has confirmed the user already."""
    user = getattr(request, "_user", None)
    if user is not None and not getattr(user, "is_confirmed", True):
        user.load()


def _audited(method_handler: Callable[..., Response]) -> Callable[..., Response]:
    """Return `method_handler` in a transaction whose changes the audit log records, like changes in the admin."""

    def audited(request: Request, *args: Any, **kwargs: Any) -> Response:
        with audit.acting(by=actor(request), via=f"{request.method} {request.path}"):
            return method_handler(request, *args, **kwargs)

    return audited
