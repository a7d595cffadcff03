"""Paths of sign-in, phones and blocking. `user/phone` and `user/idcard` come before earnings' `user/<reference>`."""

from django.urls import path

from accounts.views import people, sign_in, verification

urlpatterns = [
    path("wechat/user_info", sign_in.WeChatViews.as_view({"get": "user_info"})),
    path("auth", sign_in.TokenViews.as_view({"post": "create"})),
    path("auth/me", sign_in.MeViews.as_view({"get": "show"})),
    path("sms/code/delivery", verification.SmsCodeViews.as_view({"get": "send"})),
    path("wechat/js/ticket", sign_in.JsTicketViews.as_view({"get": "show"})),
    path("user", people.OwnViews.as_view({"get": "user_id"})),
    path("user/refresh/<str:union_id>", people.RefreshViews.as_view({"put": "update"})),
    path("user/idcard", verification.IdentityViews.as_view({"put": "update"})),
    path("users/block_verify", people.OwnViews.as_view({"get": "is_blocked"})),
    path("users/<str:union_id>/registered", people.RegisteredViews.as_view({"get": "show"})),
    path("user/phone", verification.PhoneViews.as_view({"put": "update"})),
    path("user/<str:user_id>/poster", people.PosterViews.as_view({"get": "show"})),
    path("users/<str:reference>/block", people.BlockViews.as_view({"put": "update"})),
]
