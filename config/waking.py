"""Waking background work once a transaction has committed; losing the wake-up loses nothing."""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def wake(task_name: str) -> None:
    """Have the task of that name run soon after this transaction commits, once however often it is asked for."""
    hooks = transaction.get_connection().run_on_commit
    if not any(getattr(hook[1], "task_name", None) == task_name for hook in hooks):
        transaction.on_commit(_Wake(task_name))


class _Wake:
    def __init__(self, task_name: str) -> None:
        self.task_name = task_name

    def __call__(self) -> None:
        try:
            current_app.send_task(self.task_name, ignore_result=True, expires=10, retry=False)
        except (OperationalError, RedisError, OSError):
            logger.warning("Could not wake %s; beat will", self.task_name)
