"""Reading bodies: JSON only. `config.api.bodies` bounds them."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class BoundedJSONParser(JSONParser):
    """JSON as the standard says it (no NaN), not nested beyond reason."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        raw = stream.read()
        if not raw.strip():
            return {}
        try:
            return json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError("请求内容不是合法的 JSON") from error


class SpreadsheetLabelParser(BoundedJSONParser):
    """JSON labelled as the spreadsheet that is asked for: the old back-office client labels its export calls so."""

    media_type = "application/vnd.ms-excel"
