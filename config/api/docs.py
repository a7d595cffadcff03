"""The OpenAPI document and the Swagger page that shows it."""

import threading
from functools import cache

from django.http import HttpRequest, HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView

from config.api.exception_handler import answer_other_method
from config.api.renderer import to_bytes

_building = threading.Lock()
_page = SpectacularSwaggerSplitView.as_view(url_name="schema")


@cache
def _document() -> bytes:
    document: object = SchemaGenerator().get_schema(request=None, public=True)
    return to_bytes(document)


def schema(request: HttpRequest) -> HttpResponse:
    """Return OpenAPI 3.1 as JSON, built once per process under a lock: the generator is not thread-safe."""
    if request.method not in ("GET", "HEAD"):
        return answer_other_method(request)
    with _building:
        document = _document()
    return HttpResponse(document, content_type="application/json")


def docs(request: HttpRequest) -> HttpResponse:
    """Return the Swagger page, on which every operation can be tried."""
    return _page(request) if request.method in ("GET", "HEAD") else answer_other_method(request)
