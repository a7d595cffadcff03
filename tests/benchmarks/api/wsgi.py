"""A WSGI application without a framework. The contestants `floor` and `limit` show how it reads and verifies."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from redis import Redis

from . import services
from .operations import BY_CALL, Operation, parameters, to_json

Environ = Mapping[str, Any]
Run = Callable[[str, Mapping[str, Any]], Any]
redis = Redis.from_url(services.REDIS_URL)


def application_of(run: Run, verify: Callable[[str], dict[str, Any]], *, keeps: bool) -> Any:
    """Return an application that runs statements and verifies tokens by these functions."""

    def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        operation = BY_CALL[environ["REQUEST_METHOD"], environ["PATH_INFO"]]
        answer = (
            _same_for_all(operation, run, keeps) if operation.goal == "kept" else _own(operation, environ, body)
        )
        head = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(answer))),
            ("Cache-Control", "no-store"),
        ]
        start_response("200 OK", head)
        return [answer]

    def _own(operation: Operation, environ: Environ, body: bytes) -> bytes:
        if operation.goal == "events":
            user, issued_at = "", 0
            key = services.key_hash(environ["HTTP_X_API_KEY"])
        else:
            claims = verify(environ["HTTP_AUTHORIZATION"])
            user, issued_at, key = claims["user_id"], claims["iat"], ""
        if operation.goal == "refusal":
            _count_call(user)
        params = parameters(operation, user, issued_at, key, environ["QUERY_STRING"], body)
        answer = operation.answer(*(run(statement, params) for statement in operation.statements))
        if operation.goal == "events":
            redis.publish("bench:events", b"1")
        return to_json(answer)

    return application


def _count_call(user: str) -> None:
    window = redis.pipeline(transaction=False)
    window.incr(f"bench:withdraw:{user}")
    window.expire(f"bench:withdraw:{user}", 60, nx=True)
    count, _ = window.execute()
    if count > services.WITHDRAWALS:
        raise PermissionError


def _same_for_all(operation: Operation, run: Run, keeps: bool) -> bytes:
    """Return an answer from this process, from Redis, or from the database."""
    name = f"bench:{operation.path}"
    answer = services.kept(name) if keeps else None
    if answer is None:
        answer = redis.get(name)
        if answer is None:
            answer = to_json(operation.answer(run(operation.statements[0], {})))
            redis.set(name, answer, ex=services.CACHED_SECONDS)
        services.keep(name, answer)
    return answer
