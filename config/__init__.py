"""The project: settings, the API's envelope, the back office, and features that belong to no single app."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
