"""What every viewset of the API has in common."""

from typing import Any, TypeVar

from django.db.models import Model
from rest_framework.exceptions import MethodNotAllowed, NotFound
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

Row = TypeVar("Row", bound=Model, covariant=True)


class OperationViews(GenericViewSet[Row]):
    """Explicit verb maps in urls.py. A method that the path does not have is 405 whoever asks."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if (request.method or "").lower() not in self.action_map:
            raise MethodNotAllowed(request.method or "")
        if "\x00" in request.path:
            raise NotFound  # no id of ours has one, and PostgreSQL does not take it
        if request.method == "HEAD" and self.action in getattr(self, "writing_reads", ()):
            raise MethodNotAllowed(request.method)  # whoever only looks does not make it act
        super().initial(request, *args, **kwargs)
