"""The app's name for operators; its subscribers are connected when Django is ready."""

from django.apps import AppConfig


class GroupsConfig(AppConfig):
    name = "groups"
    verbose_name = "群"
