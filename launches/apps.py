"""The app's name for operators; its subscribers are connected when Django is ready."""

from django.apps import AppConfig


class LaunchesConfig(AppConfig):
    name = "launches"
    verbose_name = "投放"
