"""View of WeChat Pay's notifications."""

import logging
from typing import ClassVar

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.permissions import Anyone
from config.api.renderer import Answer
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code
from earnings.models import Payout
from earnings.payouts import worker

logger = logging.getLogger(__name__)


class PayNotifyViews(OperationViews[Payout]):
    """Notifications of WeChat Pay about the end of a transfer, authenticated by their signature."""

    authentication_classes = ()
    permission_classes = (Anyone,)
    # WeChat Pay repeats a notification for a day after any status but 2xx.
    own_statuses: ClassVar = {"401": Code.UNAUTHENTICATED, "400": Code.BAD_REQUEST}

    @operation(
        "微信支付转账结果通知",
        codes=[Code.UNAUTHENTICATED, Code.BAD_REQUEST],
        description="由微信支付调用：签名有效即处理，重复通知无影响；签名无效时 HTTP 401，签名有效但不是转账通知或内容无法识别时"
        " HTTP 400，微信会再次通知。",
    )
    def create(self, request: Request) -> Response:
        try:
            worker.handle_notification(request.headers, request.body, at=timezone.now())
        except worker.BadSignature:
            refusal = Answer(None, {}, "签名无效", Code.UNAUTHENTICATED)
            return Response(refusal, status=status.HTTP_401_UNAUTHORIZED)
        except worker.UnusableNotification as error:
            text = "WeChat Pay signed a notification that cannot be used: %s"
            logger.error(text, error.why)  # noqa: TRY400 - the reason is enough, and the traceback contains the body
            refusal = Answer(None, {}, error.why, Code.BAD_REQUEST)
            return Response(refusal, status=status.HTTP_400_BAD_REQUEST)
        return Response(None)
