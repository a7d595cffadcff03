"""The OpenAPI schema of each operation: its input, its responses in the envelope, and its refusals.

`operation(...)` on a view's method describes the operation. Everything else (credential, throttling, paging, the
refusals that every operation shares) is read from the view itself, so that the schema cannot contradict the code.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.apps import apps
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_basic_type
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.serializers import BaseSerializer, ListSerializer, Serializer

from config.api.codes import MEANINGS
from config.api.examples import example_of
from config.api.fields import MONEY_PATTERN
from config.api.paging import DEFAULT_PAGE_SIZE
from config.api.permissions import HasScope, IsNotBlocked, IsProven, IsUser
from config.api.renderer import TokenRenderer
from config.errors import Code

JSON = "application/json"
MOMENT_PATTERN = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$"
SECURITY_SCHEMES = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "POST /auth 所得的 access_token",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "外部系统的接口密钥"},
    "operatorSession": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "已登录后台且有相应权限",
    },
    "wechatProof": {
        "type": "apiKey",
        "in": "cookie",
        "name": "wechat_proof",
        "description": "GET /wechat/user_info 写下的授权证明",
    },
}
_OWN_STATUS = {"429": Code.TOO_MANY_REQUESTS, "500": Code.OUR_FAULT, "503": Code.UNAVAILABLE}
_OWN_STATUS_WITH_BODY = {"413": Code.BODY_TOO_LARGE, "415": Code.UNSUPPORTED_MEDIA_TYPE}
_PAGE_INFO: dict[str, Any] = {"$ref": "#/components/schemas/PageInfo"}
_NO_PAGE: dict[str, Any] = {"type": "object", "maxProperties": 0}  # also for refusals of lists
_PAGE_EXAMPLE = {"current_page": 0, "page_size": 20, "total_page": 1, "total_records": 1}
Shape = BaseSerializer[Any] | serializers.Field[Any, Any, Any, Any] | None


@dataclass(frozen=True)
class Operation:
    """The description of one operation by `operation(...)`."""

    summary: str
    description: str
    answer: Shape
    body: Shape
    query: Any
    codes: Sequence[Code]
    paged: bool
    or_list: bool
    media_type: str


def operation(
    summary: str,
    *,
    answer: Any = None,
    body: Any = None,
    query: Any = None,
    codes: Sequence[Code] = (),
    paged: bool = False,
    description: str = "",
    or_list: bool = False,
    media_type: str = JSON,
) -> Callable[[Any], Any]:
    """Document a view's method: its summary, the form of `data`, its input, and the codes of its refusals.

    `or_list`: the body may also be an array. `media_type`: of a response that is not JSON; refusals are always JSON.
    """
    described = Operation(
        summary, description, _instance(answer), _instance(body), query, codes, paged, or_list, media_type
    )

    def mark(method: Any) -> Any:
        method.operation = described
        return method

    return mark


def _page_parameters(max_size: int) -> list[OpenApiParameter]:
    size = f"每页条数，1 到 {max_size}"
    return [
        OpenApiParameter("current_page", OpenApiTypes.INT, default=0, description="页数，从 0 开始"),
        OpenApiParameter("page_size", OpenApiTypes.INT, default=DEFAULT_PAGE_SIZE, description=size),
    ]


def _instance(shape: Any) -> Shape:
    return shape() if isinstance(shape, type) else shape


class EnvelopeSchema(AutoSchema):
    """The schema of drf-spectacular, with every response in its envelope."""

    @property
    def described(self) -> Operation:
        view: Any = self.view
        described: Operation = getattr(view, view.action).operation
        return described

    def get_operation_id(self) -> str:
        """Return the method and the parts of the path, which are unique together."""
        return "_".join([self.method.lower(), *re.findall(r"\w+", self.path)])

    def get_summary(self) -> str:
        return self.described.summary

    def get_description(self, path: str = "", method: str = "") -> str:
        return self.described.description

    def get_tags(self) -> list[str]:
        app_label = type(self.view).__module__.split(".")[0]
        return [str(apps.get_app_config(app_label).verbose_name)]

    def get_request_serializer(self) -> Any:
        return self.described.body

    def get_response_serializers(self) -> Any:
        return self.described.answer

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # pages are described by the envelope

    def get_override_parameters(self) -> list[Any]:
        query = [self.described.query] if self.described.query else []
        view: Any = self.view
        return query + (_page_parameters(view.max_page_size) if self.described.paged else [])

    def _resolve_path_parameters(self, variables: Any) -> list[dict[str, Any]]:
        text = build_basic_type(OpenApiTypes.STR)
        titles = {"reference": "id 或 code"}
        return [
            {"in": "path", "name": name, "schema": text, "required": True, "description": titles.get(name, "")}
            for name in variables
        ]

    def get_auth(self) -> list[dict[str, list[str]]]:
        permissions = [permission for permission in self.view.get_permissions() if permission is not None]
        flat = [part for permission in permissions for part in _parts(permission)]
        scopes = [part.scope.value for part in flat if isinstance(part, HasScope)]
        if any(isinstance(part, IsProven) for part in flat):
            return [{"wechatProof": []}]
        credentials: list[dict[str, list[str]]] = []
        proof: dict[str, list[str]] = {"wechatProof": []} if getattr(self.view, "proof_needed", False) else {}
        if any(isinstance(part, IsUser) or getattr(part, "takes_users", False) for part in flat):
            return [{"accessToken": []} | proof] + ([{"apiKey": scopes}, {"operatorSession": []}] if scopes else [])
        if scopes:
            credentials += [{"apiKey": scopes}, {"operatorSession": []}]
        if proof:
            credentials += [proof, {"apiKey": ["auth:issue"]}]
        return credentials

    def _get_request_body(self, direction: str = "request") -> dict[str, Any] | None:
        if self.described.body is None:
            return None
        shape = self._shape(self.described.body, "request")
        if self.described.or_list:
            shape = {"oneOf": [shape, {"type": "array", "items": shape}]}
        return {"required": True, "content": {JSON: {"schema": shape, "example": example_of(self.described.body)}}}

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        shared = _OWN_STATUS | (_OWN_STATUS_WITH_BODY if self.described.body else {})
        if not self.view.get_throttles():
            shared.pop("429")
        own = getattr(self.view, "own_statuses", {})  # answered in the media type of the operation
        return {"200": self._answer()} | {
            status: {"description": MEANINGS[code], "content": self._refusal_content(code, status in own)}
            for status, code in sorted((shared | own).items())
        }

    def _refusal_content(self, code: Code, is_own: bool) -> dict[str, Any]:
        if is_own and self.described.media_type != JSON:
            return {self.described.media_type: {"schema": {"type": "string", "format": "binary"}}}
        return {JSON: self._refusal(code)}

    @property
    def _is_token(self) -> bool:
        return TokenRenderer in self.view.renderer_classes

    def _codes(self) -> list[Code]:
        """Return every code that a 200 response may carry, success first."""
        codes = {Code.OK, *self.described.codes}
        if self.described.body is not None or self.described.query is not None or self.described.paged:
            codes.add(Code.BAD_REQUEST)
        if self.get_auth():
            codes.add(Code.UNAUTHENTICATED)
        blocks = any(isinstance(part, IsNotBlocked) for one in self.view.get_permissions() for part in _parts(one))
        return sorted(
            codes | ({Code.UNAUTHENTICATED} if blocks else set()), key=lambda code: (code != Code.OK, code)
        )

    def _answer(self) -> dict[str, Any]:
        codes = self._codes()
        meanings = ";".join(f"{code.value} {MEANINGS[code]}" for code in codes)
        examples = {str(code.value): {"summary": MEANINGS[code], "value": self._example(code)} for code in codes}
        content = {JSON: {"schema": self._envelope(codes), "examples": examples}}
        if self.described.media_type != JSON:
            content[self.described.media_type] = {"schema": {"type": "string", "format": "binary"}, "examples": {}}
        return {"description": meanings, "content": content}

    def _envelope(self, codes: list[Code]) -> dict[str, Any]:
        code = {"type": "integer", "enum": [each.value for each in codes]}
        if self._is_token:
            data = dict(self._fields(self.described.answer).items())
            return _object({"code": code, "msg": {"type": "string"}, **data}, required=["code", "msg"])
        answer = self.described.answer
        data_shape = self._shape(answer, "response") if answer is not None else {"type": "null"}
        page = {"anyOf": [_PAGE_INFO, _NO_PAGE]} if self.described.paged else _NO_PAGE
        nullable = {"anyOf": [data_shape, {"type": "null"}]} if answer is not None else data_shape
        return _object({"code": code, "description": {"type": "string"}, "data": nullable, "page_info": page})

    def _refusal(self, code: Code) -> dict[str, Any]:
        name = "TokenRefusal" if self._is_token else "Refusal"
        return {"schema": {"$ref": f"#/components/schemas/{name}"}, "example": self._example(code)}

    def _example(self, code: Code) -> dict[str, Any]:
        is_ok = code == Code.OK
        meaning = "" if is_ok else MEANINGS[code]
        data = example_of(self.described.answer) if is_ok and self.described.answer is not None else None
        if self._is_token:
            return {"code": code.value, "msg": meaning, **(data or {})}
        page = _PAGE_EXAMPLE if is_ok and self.described.paged else {}
        return {"code": code.value, "description": meaning, "data": data, "page_info": page}

    def _fields(self, shape: Shape) -> dict[str, Any]:
        return dict(self._map_serializer(shape, "response").get("properties", {})) if shape is not None else {}

    def _shape(self, shape: Any, direction: Literal["request", "response"]) -> dict[str, Any]:
        if isinstance(shape, ListSerializer):
            return {"type": "array", "items": self._shape(shape.child, direction)}
        if isinstance(shape, Serializer):
            reference: dict[str, Any] = self.resolve_serializer(shape, direction).ref
            return reference
        mapped: dict[str, Any] = self._map_serializer_field(shape, direction)
        return mapped


class ListOrCommasSchema(OpenApiSerializerFieldExtension):
    """The schema of ListOrCommasField: an array, or its items in one string."""

    target_class = "config.api.fields.ListOrCommasField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        array = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        return {"oneOf": [array, {"type": "string", "minLength": 1, "description": "多个用英文逗号隔开"}]}


class MomentSchema(OpenApiSerializerFieldExtension):
    """The schema of times, whose format in the API is not the date-time of OpenAPI."""

    target_class = "rest_framework.serializers.DateTimeField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        if getattr(self.target, "format", None) == "%Y-%m-%d":
            return {"type": "string", "format": "date"}
        return {"type": "string", "pattern": MOMENT_PATTERN, "examples": ["2026-11-23 09:30:00"]}


class MoneySchema(OpenApiSerializerFieldExtension):
    """The schema of money: a string with two decimal places in responses, a string or a number in requests."""

    target_class = "config.api.fields.MoneyStringField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        text = {"type": "string", "format": "decimal", "pattern": MONEY_PATTERN}
        return {"oneOf": [text, {"type": "number"}]} if direction == "request" else text


def _parts(permission: Any) -> list[Any]:
    """Return the permissions that `A & B` combines."""
    if hasattr(permission, "op1"):
        return _parts(permission.op1) + _parts(permission.op2)
    return [permission]


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or list(properties)}


_INTEGER = {"type": "integer"}
COMPONENTS = {
    "securitySchemes": SECURITY_SCHEMES,
    "schemas": {
        "PageInfo": _object(dict.fromkeys(("current_page", "page_size", "total_page", "total_records"), _INTEGER)),
        "Refusal": _object(
            {
                "code": _INTEGER,
                "description": {"type": "string"},
                "data": {"type": "null"},
                "page_info": {"type": "object", "maxProperties": 0},
            }
        ),
        "TokenRefusal": _object({"code": _INTEGER, "msg": {"type": "string"}}),
    },
}


def add_components(result: dict[str, Any], generator: Any, **_: Any) -> dict[str, Any]:
    """Add the components that all operations share (a postprocessing hook of drf-spectacular)."""
    for kind, parts in COMPONENTS.items():
        result["components"].setdefault(kind, {}).update(parts)
    return result
