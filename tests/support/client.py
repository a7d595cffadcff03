"""A client of the API."""

from typing import Any

from django.test import Client

from accounts.authentication import issue_token
from accounts.models import User


class ApiClient:
    """A client that calls as a user or with a key. Its methods return the parsed JSON body."""

    def __init__(self, user: User | None = None, key: str = "") -> None:
        self.http = Client()
        self.headers: dict[str, str] = {}
        if user is not None:
            self.headers["Authorization"] = f"Bearer {issue_token(user)}"
        if key:
            self.headers["X-Api-Key"] = key

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self.http.get(path, query, headers=self.headers).json()

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        return self.send("post", path, body).json()

    def put(self, path: str, body: Any = None) -> dict[str, Any]:
        return self.send("put", path, body).json()

    def delete(self, path: str, body: Any = None) -> dict[str, Any]:
        return self.send("delete", path, body).json()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Return the response itself, for tests of its status and headers."""
        return getattr(self.http, method)(
            path, data=body if body is not None else {}, content_type="application/json", headers=self.headers
        )
