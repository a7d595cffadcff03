"""Paths of income, withdrawals and payouts. `user/<reference>` comes last, after accounts' `user/phone`."""

from django.urls import path

from earnings.views import article_reads, confirmation, onboarding, pay_notify, profit, review

urlpatterns = [
    path("profit", profit.ProfitViews.as_view({"get": "summary"})),
    path("profit/slip", profit.ProfitViews.as_view({"get": "slip"})),
    path("withdraw", profit.WithdrawalViews.as_view({"get": "show", "post": "create"})),
    path("received/redpacket", onboarding.RedPacketViews.as_view({"get": "is_opened"})),
    path("receive/redpacket", onboarding.RedPacketViews.as_view({"get": "receive"})),
    path("settlement", article_reads.ReadsViews.as_view({"post": "create"})),
    path("withdraw/review", review.WithdrawalReviewViews.as_view({"post": "create"})),
    path("admin/withdraw", review.WithdrawalListViews.as_view({"post": "list"})),
    path("admin/withdraw/export", review.WithdrawalExportViews.as_view({"post": "create"})),
    path("payouts/<str:reference>/confirm", confirmation.payout_page),
    path(
        "payouts/<str:reference>/state",
        confirmation.PayoutStateViews.as_view({"get": "show", "post": "create"}),
    ),
    path("wechat/pay/notify", pay_notify.PayNotifyViews.as_view({"post": "create"})),
    path("user/<str:reference>", onboarding.OnboardingViews.as_view({"put": "update"})),
]
