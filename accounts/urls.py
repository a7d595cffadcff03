"""Paths of sign-in, phones and blocking. `user/phone` and `user/idcard` come before earnings' `user/<reference>`."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("wechat/user_info", views.WeChatViews.as_view({"get": "user_info"})),
    path("auth", views.TokenViews.as_view({"post": "create"})),
    path("auth/me", views.MeViews.as_view({"get": "show"})),
    path("sms/code/delivery", views.SmsCodeViews.as_view({"get": "send"})),
    path("wechat/js/ticket", views.JsTicketViews.as_view({"get": "show"})),
    path("user", views.OwnViews.as_view({"get": "user_id"})),
    path("user/refresh/<str:union_id>", views.RefreshViews.as_view({"put": "update"})),
    path("user/idcard", views.IdentityViews.as_view({"put": "update"})),
    path("users/block_verify", views.OwnViews.as_view({"get": "is_blocked"})),
    path("users/<str:union_id>/registered", views.RegisteredViews.as_view({"get": "show"})),
    path("user/phone", views.PhoneViews.as_view({"put": "update"})),
    path("user/<str:user_id>/poster", views.PosterViews.as_view({"get": "show"})),
    path("users/<str:reference>/block", views.BlockViews.as_view({"put": "update"})),
]
