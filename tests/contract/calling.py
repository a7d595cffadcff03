"""Sending the calls of the contract table, and reading the responses."""

import re
from typing import Any

from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.authentication import issue_token
from config.api.keys import issue_key
from config.api.proofs import COOKIE
from config.models import Scope
from tests.contract.objects import Objects
from tests.contract.table import Call, Operation, Param, as_json

Headers = dict[str, str]
ENVELOPE = ["code", "description", "data", "page_info"]


def token_of(user: Any) -> Headers:
    return {"Authorization": f"Bearer {issue_token(user)}"}


def key_for(*scopes: str) -> Headers:
    return {"X-Api-Key": issue_key("contract", list(scopes), confirmed_at=timezone.now())}


def proof_of(union_id: str) -> Headers:
    """Return the cookie of a WeChat proof. The sandbox confirms `union-X` for the code X."""
    query = {"app_id": "sandbox", "code": union_id.removeprefix("union-")}
    return {"Cookie": f"{COOKIE}={Client().get('/wechat/user_info', query).cookies[COOKIE].value}"}


def credential_of(operation: Operation, objects: Objects) -> Headers:
    """Return the credential of this operation, of alice or of an outside system."""
    return {
        "public": dict,
        "signed": dict,
        "user": lambda: token_of(objects.alice),
        "user_or_service": lambda: token_of(objects.alice),
        "user_with_proof": lambda: token_of(objects.alice) | proof_of(objects.alice.union_id),
        "proof": lambda: key_for(Scope.AUTH_ISSUE),
        "own_proof": lambda: proof_of(objects.alice.union_id),
        "service": lambda: key_for(operation.scope),
    }[operation.kind]()


def send(operation: Operation, call: Call, headers: Headers, *, client: Client | None = None, **fields: Any) -> Any:
    """Return the response to a call. `fields`: another method, path, content type or raw body."""
    call = operation.finish(call) if operation.finish else call
    method = fields.get("method", operation.method).lower()
    client = client or Client(raise_request_exception=False)
    path = fields.get("path", operation.url(call))
    if method == "get":
        return client.get(path, headers=headers)
    raw = fields.get("raw", as_json(call.body))
    kind = fields.get("content_type", "application/json")
    return getattr(client, method)(path, data=raw, content_type=kind, headers=headers)


def envelope_of(operation: Operation, response: Any) -> dict[str, Any]:
    """Return the envelope of a response. The older form of tokens, and files, are converted to one."""
    if operation.shape in ("picture", "workbook") and response["Content-Type"] != "application/json":
        return {"code": 1200, "description": "", "data": None, "page_info": {}}
    answer = response.json()
    if operation.shape != "token":
        assert list(answer) == ENVELOPE
        return answer
    assert list(answer)[:2] == ["code", "msg"]
    rest = {name: value for name, value in answer.items() if name not in ("code", "msg")}
    return {"code": answer["code"], "description": answer["msg"], "data": rest, "page_info": {}}


def answer_to(operation: Operation, call: Call, headers: Headers) -> dict[str, Any]:
    return envelope_of(operation, send(operation, call, headers))


def refused_naming(operation: Operation, param: Param, call: Call, headers: Headers) -> str:
    """Return the problem of the response to a call with a bad `param`; empty for a 1403 that names the parameter."""
    response = send(operation, call, headers)
    answer = envelope_of(operation, response)
    is_refused = (response.status_code, answer["code"]) == (200, 1403) and is_for_people(answer, param.last)
    return "" if is_refused else f"{param.name} in {call}: {answer}"


def is_for_people(answer: dict[str, Any], field: str = "") -> bool:
    """Return whether the description has Chinese sentences that end with, and do not begin with, the field's name."""
    sentences = answer["description"].split("；")
    return all(re.match("[\u4e00-\u9fff]", one) for one in sentences) and field in answer["description"]


_UNSEEN = {"config_apikey", "config_operatorsession"}


def database_fingerprint() -> str:
    """Return a fingerprint of the whole database, except the keys of the calls.

    The statement is prepared once per connection: planning a union of all tables takes longer than running it.
    """
    tables = sorted({model._meta.db_table for model in apps.get_models()} - _UNSEEN)
    of_table = "SELECT '{0}' AS name, md5(string_agg(t::text, '|' ORDER BY t::text)) AS sum FROM {0} t"
    union = " UNION ALL ".join(of_table.format(table) for table in tables)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name = 'fingerprint'")
        if cursor.fetchone() == (0,):
            whole = f"SELECT md5(string_agg(name || coalesce(sum, ''), '|' ORDER BY name)) FROM ({union}) u"
            cursor.execute(f"PREPARE fingerprint AS {whole}")
        cursor.execute("EXECUTE fingerprint")
        return str(cursor.fetchone()[0])
