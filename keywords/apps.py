"""The app's name for operators; its subscribers are connected when Django is ready."""

from django.apps import AppConfig


class KeywordsConfig(AppConfig):
    name = "keywords"
    verbose_name = "关键字"
