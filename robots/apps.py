"""The app's name for operators; its subscribers are connected when Django is ready."""

from django.apps import AppConfig


class RobotsConfig(AppConfig):
    name = "robots"
    verbose_name = "机器人"
