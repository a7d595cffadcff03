"""The views for outside systems: gateway events and batches of text messages."""

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import reading
from config.api.parsers import ItemsJSONParser
from config.api.permissions import needs
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import BadRequest
from config.models import Scope
from integrations.aliyun import sms_batches
from integrations.gateway import inbox
from integrations.gateway.misspellings import ENVELOPE, misspelled_in
from integrations.models import GatewayEvent, TextMessage
from integrations.serializers import (
    EVENT_EXAMPLES,
    EventsStored,
    IncomingEvent,
    SmsBatch,
    needs_no_cleaning,
    validate_events,
)

MAX_EVENTS = 1000


class GatewayEventViews(OperationViews[GatewayEvent]):
    """The operation that receives events. It answers when they are stored; handling follows in the background."""

    permission_classes = (needs(Scope.GATEWAY_EVENTS, "integrations.add_gatewayevent"),)
    parser_classes = (ItemsJSONParser,)

    @operation(
        "机器人网关事件",
        body=IncomingEvent,
        examples=EVENT_EXAMPLES,
        answer=EventsStored(),
        or_list=True,
        description="一个事件，或最多 1000 个事件的数组。收到即存储并应答，同一 event_id 只处理一次，同群事件按次序处理。"
        "数组逐项接收：不合格的事件不影响其他事件，在 data.refused 里列出原因；字段名像是写错的在 data.warnings 里列出。"
        "单个事件不合格时返回 1403。",
    )
    def create(self, request: Request) -> Response:
        data = request.data
        if not isinstance(data, list):
            data = [
                data if needs_no_cleaning(data) else reading.body(request, IncomingEvent) | _unknown_fields(data)
            ]
        if not 1 <= len(data) <= MAX_EVENTS:
            raise BadRequest(f"每次 1 到 {MAX_EVENTS} 个事件", field="events")
        events, now = validate_events(data), timezone.now()
        stored = inbox.store(list(events.valid.values()), at=now)
        # In a transaction of its own: a call that fails here is repeated, and both functions store each item once.
        inbox.store_refused([(data[index], reason) for index, reason in events.refused.items()], at=now)
        refused = [{"index": index, "reason": reason} for index, reason in events.refused.items()]
        warnings = misspelled_in({index: data[index] for index in events.valid})
        return Response({"stored": stored, "refused": refused, "warnings": warnings})


def _unknown_fields(event: dict[str, Any]) -> dict[str, Any]:
    """Return the unknown fields of an event, for the search for misspelled names."""
    return {name: value for name, value in event.items() if name not in ENVELOPE}


class SmsBatchViews(OperationViews[TextMessage]):
    """The operation that sends a text to many phones, in the background and to each number once."""

    permission_classes = (needs(Scope.SMS_SEND, "integrations.add_textmessage"),)

    @operation(
        "批量发送短信", body=SmsBatch, description="每次最多 1000 个号码；有无效号码时整批不发送，并指出是哪些。"
    )
    def create(self, request: Request) -> Response:
        data = reading.body(request, SmsBatch)
        sms_batches.queue(phones=data["phones"], content=data["content"], at=timezone.now())
        return Response(None)
