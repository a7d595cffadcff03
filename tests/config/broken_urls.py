"""Operations that raise exceptions, for the tests of error handling."""

from typing import Any

from django.db import OperationalError
from django.urls import path
from redis.exceptions import ConnectionError as RedisUnreachable
from rest_framework.request import Request

from config.api.permissions import Anyone
from config.api.views import OperationViews

handler404 = "config.api.exception_handler.not_found"
handler500 = "config.api.exception_handler.our_fault"


class BrokenViews(OperationViews[Any]):
    permission_classes = (Anyone,)
    authentication_classes = ()

    def fault(self, request: Request) -> None:
        raise RuntimeError("secret 440524188001010014")

    def database(self, request: Request) -> None:
        raise OperationalError("no connection to postgres://user:secret@db")

    def redis(self, request: Request) -> None:
        raise RedisUnreachable("secret")


def plain(request: Any) -> None:
    raise RuntimeError("secret")


def database(request: Any) -> None:
    raise OperationalError("no connection to postgres://user:secret@db")


urlpatterns = [
    path("fault", BrokenViews.as_view({"get": "fault"})),
    path("database", BrokenViews.as_view({"get": "database"})),
    path("redis", BrokenViews.as_view({"get": "redis"})),
    path("plain", plain),
    path("page/database", database),
    path("admin/database", database),
    path("admin/plain", plain),
]
