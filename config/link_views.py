"""Short links."""

from typing import Any

from django.core.validators import URLValidator
from django.http import HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_safe
from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet
from rest_framework_simplejwt.tokens import Token

from config import links
from config.api import reading
from config.api.codes import http_status
from config.api.permissions import needs
from config.api.renderer import Answer, plain_answer
from config.api.schema import operation
from config.errors import NotFound
from config.models import Scope, ShortLink

_ServiceKey: type[BasePermission] = needs(Scope.LINKS_WRITE, "config.add_shortlink")


class UserOrLinksKey(_ServiceKey):  # type: ignore[valid-type, misc]
    """A user's token or a key that may make links."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, Token):
            if request.user.is_blocked:
                raise NotAuthenticated
            return True
        return bool(super().has_permission(request, view))


class LongUrl(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=2048, validators=[URLValidator(schemes=["http", "https"])])


class LinkViews(GenericViewSet[ShortLink]):
    """From a long address to a short one."""

    permission_classes = (UserOrLinksKey,)

    @operation("长链转短链", body=LongUrl, answer=serializers.CharField())
    def create(self, request: Request) -> Response:
        return Response(links.shorten(reading.body(request, LongUrl)["url"]))


@require_safe
def follow(request: Any, slug: str) -> HttpResponse:
    """GET /s/{short}: 302 to the long address, else the envelope with 1404."""
    try:
        target = links.follow(slug)
    except NotFound as refusal:
        return plain_answer(Answer(None, {}, refusal.description, refusal.code), http_status(refusal.code))
    return HttpResponseRedirect(target)
