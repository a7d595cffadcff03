"""Fixtures of all tests: a clean database and cache, and the outside world."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from config.local.processes import free_port


def pytest_configure() -> None:
    """Leave out what is slow and tested elsewhere."""
    from django.conf import settings  # noqa: PLC0415

    from tests.support.middleware import share_middleware  # noqa: PLC0415

    share_middleware()
    settings.WHITENOISE_USE_FINDERS = False  # middleware takes 80 ms longer to load
    settings.PASSWORD_HASHERS = ["tests.support.hashers.OneRoundHasher"]


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any
) -> Iterator[None]:
    """Give this process a database of its own, copied from the prepared one where the server is ours."""
    from django.conf import settings  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from tests.support.database import create_database  # noqa: PLC0415

    name = connection.settings_dict["NAME"]
    with django_db_blocker.unblock():
        create_database(from_template=settings.EMBEDDED)
    yield
    if not settings.EMBEDDED:  # ours goes with its server
        with django_db_blocker.unblock():
            connection.creation.destroy_test_db(name, verbosity=0)


@pytest.fixture(autouse=True)
def _product_language() -> None:
    """A page in English, which an earlier test has opened in this thread, leaves its language active."""
    from django.conf import settings  # noqa: PLC0415
    from django.utils import translation  # noqa: PLC0415

    translation.activate(settings.LANGUAGE_CODE)


@pytest.fixture(autouse=True)
def _fresh_cache(request: pytest.FixtureRequest) -> None:
    """Throttles and caches start empty in every test that has a database."""
    if request.node.get_closest_marker("django_db"):
        from django.core.cache import cache  # noqa: PLC0415

        from config.platform.cache import forget_kept  # noqa: PLC0415
        from integrations.moderation.words import current  # noqa: PLC0415

        cache.clear()
        forget_kept()
        current.expire()


_OTHERS = """
SELECT application_name || state || query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def _connections_of_others() -> list[str]:
    """Return what the connections to the test database do that are not this thread's."""
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(_OTHERS)
        return [str(row[0]) for row in cursor.fetchall()]


@pytest.fixture(scope="module", autouse=True)
def _no_connection_left(django_db_blocker: Any) -> Iterator[None]:
    """No thread of a module leaves its connection open: PostgreSQL has few, and the next module needs them."""
    yield
    from django.db import connection  # noqa: PLC0415

    if connection.connection is None:
        return
    until = time.monotonic() + 10
    with django_db_blocker.unblock():
        while left := _connections_of_others():  # PostgreSQL takes a moment to end what was closed
            assert time.monotonic() < until, left
            time.sleep(0.05)


@pytest.fixture(scope="session")
def _sandbox_server() -> Iterator[Any]:
    from integrations.management.commands.sandbox import make_sandbox  # noqa: PLC0415

    server = make_sandbox(free_port(), "http://127.0.0.1:1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.stop()
    thread.join()


@pytest.fixture
def sandbox(_sandbox_server: Any, settings: Any) -> Any:
    """Return the sandbox with an empty state. `.state` contains the requests that it receives."""
    from config.checks.addresses import outside_names  # noqa: PLC0415

    _sandbox_server.state.forget()
    url = f"http://127.0.0.1:{_sandbox_server.server_address[1]}"
    for name in ("WECHAT_OAUTH_BASE_URL", *outside_names()):
        setattr(settings, name, url)
    settings.WECHAT_JS_SDK_URL = f"{url}/open/js/jweixin-1.6.0.js"
    _sandbox_server.url = url
    return _sandbox_server


@pytest.fixture
def alice() -> Any:
    """Return a user with the gateway code wx-alice."""
    from tests.factories.people import UserFactory  # noqa: PLC0415

    return UserFactory(code="wx-alice")


@pytest.fixture
def root() -> Any:
    """Return a superuser who is signed in to the admin."""
    from tests.support.admin_pages import Operator  # noqa: PLC0415

    return Operator(username="root")


@pytest.fixture
def support() -> Any:
    """Return an operator of the role support who is signed in to the admin."""
    from tests.support.admin_pages import Operator  # noqa: PLC0415

    return Operator("support")


@pytest.fixture
def enforced_auth(settings: Any) -> None:
    """Refuse callers without credentials."""
    settings.ENFORCE_AUTH = True
