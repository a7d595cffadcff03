"""Reading bodies: JSON only, and no more of it than MAX_BODY_BYTES."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from config.errors import Code, Refusal


class BodyTooLarge(Refusal):
    code = Code.BODY_TOO_LARGE
    message = "请求内容超过 2 MiB，请分批提交"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class BoundedJSONParser(JSONParser):
    """JSON as the standard says it (no NaN), at most MAX_BODY_BYTES, not nested beyond reason."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        raw = stream.read(settings.MAX_BODY_BYTES + 1)
        if len(raw) > settings.MAX_BODY_BYTES:
            raise BodyTooLarge
        if not raw.strip():
            return {}
        try:
            return json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError("请求内容不是合法的 JSON") from error


class SpreadsheetLabelParser(BoundedJSONParser):
    """JSON labelled as the spreadsheet that is asked for: the old back-office client labels its export calls so."""

    media_type = "application/vnd.ms-excel"
