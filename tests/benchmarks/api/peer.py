"""Sanic with a pool of four asyncpg connections in each of two processes, verified tokens kept."""

import sys
from functools import cache
from typing import Any

import asyncpg
from redis.asyncio import Redis
from sanic import Request, Sanic
from sanic.response import HTTPResponse, raw

from . import services
from .operations import BY_CALL, Operation, numbered, parameters, to_json

app = Sanic("peer", configure_logging=False)
app.config.ACCESS_LOG = False
app.config.KEEP_ALIVE_TIMEOUT = 60
_numbered = cache(numbered)


@app.before_server_start
async def connect(app: Sanic) -> None:
    settings = {"plan_cache_mode": "force_generic_plan"}
    app.ctx.pool = await asyncpg.create_pool(
        services.DATABASE_URL, min_size=4, max_size=4, server_settings=settings
    )
    app.ctx.redis = Redis.from_url(services.REDIS_URL)


async def run(statement: str, params: dict[str, Any]) -> Any:
    sql, names = _numbered(statement)
    return await app.ctx.pool.fetch(sql, *(params[name] for name in names))


async def answer(request: Request) -> HTTPResponse:
    operation = BY_CALL[request.method, request.path]
    if operation.goal == "kept":
        body = services.kept(operation.path) or services.keep(operation.path, await _same_for_all(operation))
    else:
        body = await _own(operation, request)
    return raw(body, content_type="application/json", headers={"Cache-Control": "no-store"})


async def _own(operation: Operation, request: Request) -> bytes:
    if operation.goal == "events":
        user, issued_at, key = "", 0, services.key_hash(request.headers["x-api-key"])
    else:
        claims = services.verified_once(request.headers["authorization"])
        user, issued_at, key = claims["user_id"], claims["iat"], ""
    if operation.goal == "refusal":
        await _count_call(user)
    params = parameters(operation, user, issued_at, key, request.query_string, request.body)
    found = [await run(statement, params) for statement in operation.statements]
    if operation.goal == "events":
        await app.ctx.redis.publish("bench:events", b"1")
    return to_json(operation.answer(*found))


async def _count_call(user: str) -> None:
    window = app.ctx.redis.pipeline(transaction=False)
    window.incr(f"bench:withdraw:{user}")
    window.expire(f"bench:withdraw:{user}", 60, nx=True)
    count, _ = await window.execute()
    if count > services.WITHDRAWALS:
        raise PermissionError


async def _same_for_all(operation: Operation) -> bytes:
    """Return an answer from Redis, or from the database."""
    name = f"bench:{operation.path}"
    found: bytes | None = await app.ctx.redis.get(name)
    if found is None:
        found = to_json(operation.answer(await run(operation.statements[0], {})))
        await app.ctx.redis.set(name, found, ex=services.CACHED_SECONDS)
    return found


for method, path in BY_CALL:
    app.add_route(answer, path, methods=[method], name=f"{method} {path}".translate(str.maketrans(" /", "__")))

if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), workers=2, motd=False, access_log=False)
