"""The files and models of the project, for the tests of its rules."""

from django.apps import apps
from django.conf import settings

from tests.support.paths import PROJECT

APPS = settings.LOCAL_APPS
MODELS = [model for app in APPS for model in apps.get_app_config(app).get_models()]
SOURCES = [path for app in APPS for path in (PROJECT / app).rglob("*.py") if "migrations" not in path.parts]
