"""Paths of sign-in, phones and blocking. `user/phone` comes before earnings' `user/<reference>`."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("wechat/user_info", views.WeChatViews.as_view({"get": "user_info"})),
    path("auth", views.TokenViews.as_view({"post": "create"})),
    path("auth/me", views.MeViews.as_view({"get": "show"})),
    path("sms/code/delivery", views.SmsCodeViews.as_view({"get": "send"})),
    path("user/phone", views.PhoneViews.as_view({"put": "update"})),
    path("users/<str:reference>/block", views.BlockViews.as_view({"put": "update"})),
]
