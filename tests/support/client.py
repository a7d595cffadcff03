"""Calling the API as clients do."""

from typing import Any

from django.test import Client

from accounts.authentication import issue_token
from accounts.models import User


class ApiClient:
    """A client that signs in as a user or with a key and answers with the parsed JSON body."""

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
        """The raw response, for what the body does not show."""
        return getattr(self.http, method)(
            path, data=body if body is not None else {}, content_type="application/json", headers=self.headers
        )
