"""The OpenAPI schema of each operation: its input, its responses in the envelope, and its refusals.

`operation(...)` on a view's method describes the operation. Everything else (credential, throttling, paging, the
refusals that every operation shares) is read from the view itself, so that the schema cannot contradict the code.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeVar, cast

from django.apps import apps
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_array_type, force_instance
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import Direction, OpenApiParameter, inline_serializer
from rest_framework import serializers

from config.api.codes import MEANINGS
from config.api.examples import example_of
from config.api.fields import MONEY_PATTERN
from config.api.paging import DEFAULT_PAGE_SIZE
from config.api.permissions import HasScope, IsNotBlocked, IsProven, IsUser
from config.api.renderer import TokenRenderer
from config.errors import Code

JSON = "application/json"
MOMENT_PATTERN = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$"
_INTEGER, _STRING, _NULL, _BINARY = (
    {"type": "integer"},
    {"type": "string"},
    {"type": "null"},
    {"type": "string", "format": "binary"},
)
_PAGE_EXAMPLE = {"current_page": 0, "page_size": 20, "total_page": 1, "total_records": 1}
_NO_PAGE = {"type": "object", "maxProperties": 0}  # also for refusals of lists
_OWN_STATUS = {"429": Code.TOO_MANY_REQUESTS, "500": Code.OUR_FAULT, "503": Code.UNAVAILABLE}
_OWN_STATUS_WITH_BODY = {"413": Code.BODY_TOO_LARGE, "415": Code.UNSUPPORTED_MEDIA_TYPE}
Schema = dict[str, Any]
Method = TypeVar("Method")


@dataclass(frozen=True)
class operation:  # noqa: N801 - a decorator
    """Document a view's method: its summary, the form of `data`, its input, and the codes of its refusals.

    `examples`: of the body, by name, instead of the one that is made from its fields: {name: {"summary", "value"}}.
    `or_list`: the body may also be an array. `media_type`: of a response that is not JSON; refusals are always JSON.
    """

    summary: str
    _: KW_ONLY
    answer: Any = None
    body: Any = None
    query: Any = None
    examples: Mapping[str, Any] | None = None
    codes: Sequence[Code] = ()
    paged: bool = False
    description: str = ""
    or_list: bool = False
    media_type: str = JSON

    def __call__(self, method: Method) -> Method:
        cast(Any, method).operation = self
        return method


class EnvelopeSchema(AutoSchema):
    """The schema of drf-spectacular, with every response in its envelope."""

    view: Any

    @property
    def described(self) -> operation:
        described: operation = getattr(self.view, self.view.action).operation
        return described

    def get_operation(self, *args: Any, **kwargs: Any) -> Schema | None:
        """Return the operation with path parameters as text, and with its body and responses as they are sent."""
        result = super().get_operation(*args, **kwargs)
        if result is None:
            return None
        for parameter in result.get("parameters", ()):
            if parameter["in"] == "path":
                title = "id 或 code" if parameter["name"] == "reference" else ""
                parameter.update(schema=_STRING, required=True, description=title)
        result.pop("responses")
        security = {"security": result.pop("security")} if "security" in result else {}
        return result | self._request() | security | {"responses": self._responses()}

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
        return {}  # get_operation adds the body

    def get_response_serializers(self) -> Any:
        return OpenApiTypes.OBJECT  # get_operation replaces it

    def get_override_parameters(self) -> list[Any]:
        size = f"每页条数，1 到 {getattr(self.view, 'max_page_size', '')}"
        page = [
            OpenApiParameter("current_page", int, default=0, description="页数，从 0 开始"),
            OpenApiParameter("page_size", int, default=DEFAULT_PAGE_SIZE, description=size),
        ]
        return ([self.described.query] if self.described.query else []) + (page if self.described.paged else [])

    def get_auth(self) -> list[Schema]:
        permissions = self._permissions()
        scopes = [part.scope.value for part in permissions if isinstance(part, HasScope)]
        if any(isinstance(part, IsProven) for part in permissions):
            return [{"wechatProof": []}]
        proof: Schema = {"wechatProof": []} if getattr(self.view, "proof_needed", False) else {}
        with_key: list[Schema] = [{"apiKey": scopes}, {"operatorSession": []}] if scopes else []
        if any(isinstance(part, IsUser) or getattr(part, "takes_users", False) for part in permissions):
            return [{"accessToken": []} | proof, *with_key]
        return [*with_key, proof, {"apiKey": ["auth:issue"]}] if proof else with_key

    def _permissions(self) -> list[Any]:
        return [part for one in self.view.get_permissions() if one is not None for part in _parts(one)]

    @property
    def _is_token(self) -> bool:
        return TokenRenderer in self.view.renderer_classes

    def _request(self) -> Schema:
        body = force_instance(self.described.body)
        if body is None:
            return {}
        schema = self._schema_of(body, "request")
        schema = {"oneOf": [schema, build_array_type(schema)]} if self.described.or_list else schema
        examples = self.described.examples
        shown = {"examples": examples} if examples else {"example": example_of(body)}
        return {"requestBody": {"required": True, "content": {JSON: {"schema": schema, **shown}}}}

    def _responses(self) -> Schema:
        codes, media_type = self._codes(), self.described.media_type
        own = getattr(self.view, "own_statuses", {})  # answered in the media type of the operation
        shared = _OWN_STATUS | (_OWN_STATUS_WITH_BODY if self.described.body else {})
        if not self.view.get_throttles():
            shared.pop("429")
        examples = {str(code.value): {"summary": MEANINGS[code], "value": self._example(code)} for code in codes}
        content = {JSON: {"schema": self._envelope_of(codes), "examples": examples}}
        if media_type != JSON:
            content[media_type] = {"schema": _BINARY, "examples": {}}
        meanings = ";".join(f"{code.value} {MEANINGS[code]}" for code in codes)
        refusal = {"$ref": f"#/components/schemas/{'TokenRefusal' if self._is_token else 'Refusal'}"}
        responses = {"200": {"description": meanings, "content": content}}
        for status, code in sorted((shared | own).items()):
            content = {JSON: {"schema": refusal, "example": self._example(code)}}
            if status in own and media_type != JSON:
                content = {media_type: {"schema": _BINARY}}
            responses[status] = {"description": MEANINGS[code], "content": content}
        return responses

    def _codes(self) -> list[Code]:
        """Return every code that a 200 response may carry, success first."""
        described, codes = self.described, {Code.OK, *self.described.codes}
        if described.body is not None or described.query is not None or described.paged:
            codes.add(Code.BAD_REQUEST)
        if self.get_auth() or any(isinstance(part, IsNotBlocked) for part in self._permissions()):
            codes.add(Code.UNAUTHENTICATED)
        return sorted(codes, key=lambda code: (code != Code.OK, code))

    def _envelope_of(self, codes: list[Code]) -> Schema:
        answer = force_instance(self.described.answer)
        code = {"type": "integer", "enum": [each.value for each in codes]}
        if self._is_token:
            fields = _inlined(self, answer.get_fields(), "response") if answer is not None else {}
            return _object(code=code, msg=_STRING) | {"properties": {"code": code, "msg": _STRING, **fields}}
        data = _NULL if answer is None else {"anyOf": [self._schema_of(answer, "response"), _NULL]}
        page = (
            {"anyOf": [{"$ref": "#/components/schemas/PageInfo"}, _NO_PAGE]} if self.described.paged else _NO_PAGE
        )
        return _object(code=code, description=_STRING, data=data, page_info=page)

    def _example(self, code: Code) -> Schema:
        is_ok, answer = code == Code.OK, force_instance(self.described.answer)
        meaning = "" if is_ok else MEANINGS[code]
        data = example_of(answer) if is_ok and answer is not None else None
        if self._is_token:
            return {"code": code.value, "msg": meaning, **(data or {})}
        page = _PAGE_EXAMPLE if is_ok and self.described.paged else {}
        return {"code": code.value, "description": meaning, "data": data, "page_info": page}

    def _schema_of(self, shape: Any, direction: Direction) -> Schema:
        if isinstance(shape, serializers.ListSerializer):
            return build_array_type(self._schema_of(shape.child, direction))
        if isinstance(shape, serializers.Serializer):
            return dict(self.resolve_serializer(shape, direction).ref)
        return dict(_inlined(self, {"data": shape}, direction)["data"])


class ListOrCommasSchema(OpenApiSerializerFieldExtension):
    """The schema of ListOrCommasField: an array, or its items in one string."""

    target_class = "config.api.fields.ListOrCommasField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        items = serializers.ListField(child=deepcopy(self.target.child), help_text=self.target.help_text)
        array = _inlined(auto_schema, {"array": items}, direction)["array"]
        return {"oneOf": [array, {"type": "string", "minLength": 1, "description": "多个用英文逗号隔开"}]}


class MomentSchema(OpenApiSerializerFieldExtension):
    """The schema of times, whose format in the API is not the date-time of OpenAPI."""

    target_class = "rest_framework.serializers.DateTimeField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        if getattr(self.target, "format", None) == "%Y-%m-%d":
            return {"type": "string", "format": "date"}
        return {"type": "string", "pattern": MOMENT_PATTERN, "examples": ["2026-11-23 09:30:00"]}


class MoneySchema(OpenApiSerializerFieldExtension):
    """The schema of money: a string with two decimal places in responses, a string or a number in requests."""

    target_class = "config.api.fields.MoneyStringField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        text = {"type": "string", "format": "decimal", "pattern": MONEY_PATTERN}
        return {"oneOf": [text, {"type": "number"}]} if direction == "request" else text


def _inlined(auto_schema: AutoSchema, fields: Schema, direction: Direction) -> Schema:
    """Return the schemas of these fields, mapped as those of a serializer that does not become a component."""
    component = auto_schema.resolve_serializer(inline_serializer("Inlined", fields), direction)
    del auto_schema.registry[component]
    return dict(component.schema["properties"])


def _parts(permission: Any) -> list[Any]:
    """Return the permissions that `A & B` combines."""
    is_and = hasattr(permission, "op1")
    return _parts(permission.op1) + _parts(permission.op2) if is_and else [permission]


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _credential(place: str, name: str, description: str) -> Schema:
    return {"type": "apiKey", "in": place, "name": name, "description": description}


COMPONENTS: dict[str, Schema] = {
    "securitySchemes": {
        "accessToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "POST /auth 所得的 access_token",
        },
        "apiKey": _credential("header", "X-Api-Key", "外部系统的接口密钥"),
        "operatorSession": _credential("cookie", "sessionid", "已登录后台且有相应权限"),
        "wechatProof": _credential("cookie", "wechat_proof", "GET /wechat/user_info 写下的授权证明"),
    },
    "schemas": {
        "PageInfo": _object(**dict.fromkeys(_PAGE_EXAMPLE, _INTEGER)),
        "Refusal": _object(code=_INTEGER, description=_STRING, data=_NULL, page_info=_NO_PAGE),
        "TokenRefusal": _object(code=_INTEGER, msg=_STRING),
    },
}


def add_components(result: Schema, generator: Any, **_: Any) -> Schema:
    """Add the components that all operations share (a postprocessing hook of drf-spectacular)."""
    for kind, parts in COMPONENTS.items():
        result["components"].setdefault(kind, {}).update(parts)
    return result
