"""The app's name for operators; its subscribers are connected when Django is ready."""

from django.apps import AppConfig


class FeedbackConfig(AppConfig):
    name = "feedback"
    verbose_name = "问题反馈"
