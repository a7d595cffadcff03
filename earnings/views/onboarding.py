"""Views of the profile completion and the red packet."""

from django.conf import settings
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from accounts.models import User
from accounts.throttles import ProofThrottle
from accounts.wechat_proof import require_proof
from config.api import reading
from config.api.authentication import PROOF_AUTHENTICATION
from config.api.permissions import Anyone, IsNotBlocked, IsUser
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code
from earnings import red_packets
from earnings.models import LedgerEntry
from earnings.onboarding import onboard
from earnings.serializers import (
    Profile,
    ReceivedRedPacket,
    RedPacket,
)


class OnboardingViews(OperationViews[User]):
    """Completion of a profile. The proof identifies the WeChat account, the key of the robot's link the user."""

    authentication_classes = PROOF_AUTHENTICATION
    permission_classes = (Anyone,)
    throttle_classes = (ProofThrottle,)
    proof_needed = True

    @operation(
        "补全用户信息",
        body=Profile,
        answer=RedPacket,
        codes=[Code.UNAUTHENTICATED, Code.NOT_FOUND, Code.CONFLICT, Code.PROFILE_ALREADY_COMPLETED],
        description="绑定微信账号，发放新人红包，余额足够时收取领养费。需要微信授权证明，open_id 与 appid 以证明为准；"
        "此时 user_id 只能是机器人私信链接里的 userId（补全密钥，三十天有效）。"
        "带 auth:issue 密钥或在开放模式下，user_id 也可以是用户编号。",
    )
    def update(self, request: Request, reference: str) -> Response:
        body = reading.body(request, Profile)
        proof = require_proof(request, body["union_id"])
        amount = onboard(
            reference,
            union_id=body["union_id"],
            open_id=proof.open_id if proof else body["open_id"],
            app_id=proof.app_id if proof else body["appid"],
            nickname=body["nick_name"],
            avatar_url=body["head_url"],
            by_key_only=proof is not None and settings.ENFORCE_AUTH,
            at=timezone.now(),
        )
        return Response(RedPacket({"red_packed": amount}).data)


class RedPacketViews(OperationViews[LedgerEntry]):
    """The newcomer's red packet, for clients that request it separately from the completion."""

    permission_classes = (IsUser, IsNotBlocked)
    writing_reads = ("receive",)

    @operation("红包是否已领", answer=serializers.BooleanField(), description="用户拆开红包之后为 true。")
    def is_opened(self, request: Request) -> Response:
        return Response(red_packets.is_opened(signed_in(request)))

    @operation(
        "领取红包",
        answer=ReceivedRedPacket,
        description="拆开红包，返回已发放的金额；补全资料时没有发放的在此发放，终身一次。",
    )
    def receive(self, request: Request) -> Response:
        amount = red_packets.open_red_packet(signed_in(request), at=timezone.now())
        return Response(ReceivedRedPacket({"red_packet": amount}).data)
