"""The WSGI entry point of the web server."""

import gc
import os

import django
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.urls import ResolverMatch

from config.checks import require_sound_settings
from config.platform.web_database import limit_waiting


class Handler(WSGIHandler):
    """Django's handler, which remembers where paths without parameters lead."""

    def __init__(self) -> None:
        super().__init__()
        self._literal: dict[str, ResolverMatch] = {}

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        found = self._literal.get(request.path_info)
        if found is not None:
            request.resolver_match = found
            return found
        match = super().resolve_request(request)
        if not match.args and not match.kwargs:
            self._literal[request.path_info] = match  # as many as the URL configuration has
        return match


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
limit_waiting()
gc.disable()  # until the apps are loaded (config/apps.py)
django.setup(set_prefix=False)
application = Handler()
require_sound_settings()
