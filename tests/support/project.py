"""The files and models of the project, for the tests of its rules."""

from pathlib import Path

from django.apps import apps
from django.conf import settings

PROJECT = Path(__file__).resolve().parents[2]
APPS = settings.LOCAL_APPS
MODELS = [model for app in APPS for model in apps.get_app_config(app).get_models()]
SOURCES = [path for app in APPS for path in (PROJECT / app).rglob("*.py") if "migrations" not in path.parts]
