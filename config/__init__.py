"""The project: settings, the wire, and what belongs to the whole service."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
