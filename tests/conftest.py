"""Every test has a real PostgreSQL and a real Redis, started here unless the environment names others."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from config.embedded import EmbeddedServices

# Not a test's own servers: DATABASE_URL / REDIS_URL of the environment are used when given.
if "RUN_DIR" not in os.environ and "PYTEST_XDIST_WORKER" not in os.environ:
    _run_dir = Path(tempfile.mkdtemp(prefix="wxrobot-tests-"))
    os.environ["RUN_DIR"] = str(_run_dir)
    _services = EmbeddedServices(_run_dir, durable=False)
    _services.start()

    @atexit.register
    def _stop_services() -> None:
        _services.stop()
        shutil.rmtree(_run_dir, ignore_errors=True)


os.environ.setdefault("ROBOT_MESSAGES_PER_MINUTE", "20")


@pytest.fixture(autouse=True)
def _fresh_cache(request: pytest.FixtureRequest) -> None:
    """Throttles and caches start empty in every test that has a database."""
    if "db" in request.fixturenames or "transactional_db" in request.fixturenames:
        from django.core.cache import cache  # noqa: PLC0415 - settings must not load before the servers run

        cache.clear()
