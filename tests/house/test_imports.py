"""Inside an app: entry points, then serializers, then subjects, then models; none imports one before it."""

from configparser import ConfigParser
from functools import cache

import grimp
import pytest
from django.conf import settings

from tests.support.paths import PROJECT

APPS = settings.LOCAL_APPS[1:]  # without config, which has layers of its own
# The modules of the entry points. `wechat_proof`, `authentication`, `tokens` and `throttles` read requests for the views.
ENTRY_POINTS = {"apps", "urls", "views", "admin", "subscribers", "receivers", "tasks", "management"}
CREDENTIALS = {"wechat_proof", "authentication", "tokens", "throttles"}


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*settings.LOCAL_APPS, include_external_packages=True)


def rank(module: str) -> int:
    """Return the layer of an app's module; models are 0."""
    name = module.split(".")[1]
    return {"urls": 5, "apps": 5, "serializers": 2, "models": 0, "signals": 0, "migrations": 0}.get(
        name, 4 if name in ENTRY_POINTS else 3 if name in CREDENTIALS else 1
    )


def modules_of(app: str) -> list[str]:
    return [module for module in graph().modules if module.startswith(f"{app}.") and ".migrations" not in module]


@pytest.mark.parametrize("app", APPS)
def test_a_module_imports_no_higher_layer(app: str):
    inside = [(one, other) for one in modules_of(app) for other in graph().find_modules_directly_imported_by(one)]
    upward = [pair for pair in inside if pair[1].startswith(f"{app}.") and rank(pair[0]) < rank(pair[1])]
    assert upward == []


@pytest.mark.parametrize("app", APPS)
def test_a_subject_knows_no_http(app: str):
    """Rules can be called from commands, gateway events and the admin."""
    subjects = [module for module in modules_of(app) if rank(module) <= 1]
    knowing = [one for one in subjects if "rest_framework" in graph().find_modules_directly_imported_by(one)]
    assert knowing == []


def test_import_contracts_and_house_tests_see_every_app():
    contracts = ConfigParser()
    contracts.read(PROJECT / ".importlinter")
    packages = contracts["importlinter"]["root_packages"].split()
    apps = [path.parent.name for path in PROJECT.glob("*/apps.py")]
    assert sorted(packages) == sorted(apps) == sorted(settings.LOCAL_APPS)
