"""The app's name for operators; its subscribers are connected when Django is ready."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "用户"
