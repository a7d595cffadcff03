"""Paths of money. `user/<reference>` stands last: accounts' `user/phone` comes before it."""

from django.urls import path

from earnings import confirmation_views, views

urlpatterns = [
    path("profit", views.ProfitViews.as_view({"get": "summary"})),
    path("profit/slip", views.ProfitViews.as_view({"get": "slip"})),
    path("withdraw", views.WithdrawalViews.as_view({"get": "show", "post": "create"})),
    path("received/redpacket", views.RedPacketViews.as_view({"get": "is_opened"})),
    path("receive/redpacket", views.RedPacketViews.as_view({"get": "receive"})),
    path("settlement", views.ReadsViews.as_view({"post": "create"})),
    path("withdraw/review", views.WithdrawalReviewViews.as_view({"post": "create"})),
    path("admin/withdraw", views.WithdrawalListViews.as_view({"post": "list"})),
    path("admin/withdraw/export", views.WithdrawalExportViews.as_view({"post": "create"})),
    path("payouts/<str:reference>/confirm", confirmation_views.payout_page),
    path(
        "payouts/<str:reference>/state",
        confirmation_views.PayoutStateViews.as_view({"get": "show", "post": "create"}),
    ),
    path("wechat/pay/notify", views.PayNotifyViews.as_view({"post": "create"})),
    path("user/<str:reference>", views.OnboardingViews.as_view({"put": "update"})),
]
