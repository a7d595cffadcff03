"""What outside systems tell us."""

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import reading
from config.api.permissions import needs
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import BadRequest
from config.models import Scope
from integrations import inbox, text_messages
from integrations.models import GatewayEvent, TextMessage
from integrations.serializers import IncomingEvent, SmsBatch, events_of

MAX_EVENTS = 1000


class GatewayEventViews(OperationViews[GatewayEvent]):
    """The robot gateway's door. Answers once the events are stored; handling follows in the background."""

    permission_classes = (needs(Scope.GATEWAY_EVENTS, "integrations.add_gatewayevent"),)

    @operation(
        "机器人网关事件",
        body=IncomingEvent,
        or_list=True,
        description="一个事件,或最多 1000 个事件的数组。收到即存储并应答,同一 event_id 只处理一次,同群事件按次序处理。",
    )
    def create(self, request: Request) -> Response:
        many = isinstance(request.data, list)
        if many and not 1 <= len(request.data) <= MAX_EVENTS:
            raise BadRequest(f"每次 1 到 {MAX_EVENTS} 个事件", field="events")
        inbox.store(events_of(request.data), at=timezone.now())
        return Response(None)


class SmsBatchViews(OperationViews[TextMessage]):
    """Texts many phones, in the background, each number once."""

    permission_classes = (needs(Scope.SMS_SEND, "integrations.add_textmessage"),)

    @operation(
        "批量发送短信", body=SmsBatch, description="每次最多 1000 个号码;有无效号码时整批不发送,并指出是哪些。"
    )
    def create(self, request: Request) -> Response:
        given = reading.body(request, SmsBatch)
        text_messages.queue(phones=given["phones"], content=given["content"], at=timezone.now())
        return Response(None)
