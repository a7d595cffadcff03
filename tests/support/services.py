"""A pytest plugin, loaded before the settings, that starts a real PostgreSQL and a real Redis for all tests.

The plugin starts them unless the environment names others, PostgreSQL with every migration already run.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from config.local.embedded import EmbeddedServices
from config.platform.embedded_mode import read_services
from tests.support.prepared import copy_prepared

if "PYTEST_XDIST_WORKER" not in os.environ:
    _run_dir = Path(tempfile.mkdtemp(prefix="wxrobot-tests-"))
    os.environ["RUN_DIR"] = str(_run_dir)
    os.environ["TEST_LOGS"] = str(_run_dir / "logs-of-tests")
    (_run_dir / "logs-of-tests").mkdir()
    (_run_dir / "static").mkdir()
    _given = {name: bool(os.environ.get(name)) for name in ("DATABASE_URL", "REDIS_URL")}
    _services = EmbeddedServices(
        _run_dir, durable=False, database=not _given["DATABASE_URL"], redis=not _given["REDIS_URL"]
    )
    if not _given["DATABASE_URL"]:
        copy_prepared(_run_dir)
    _services.start()

    @atexit.register
    def _stop_services() -> None:
        _services.stop()
        shutil.rmtree(_run_dir, ignore_errors=True)

else:  # workers share the servers; each has a directory and, in Redis as in PostgreSQL, a database of its own
    _name = os.environ["PYTEST_XDIST_WORKER"]
    _shared_dir = Path(os.environ["RUN_DIR"])
    _services = read_services(_shared_dir) or {}
    _redis_url = (os.environ.get("REDIS_URL") or _services["redis_url"]).rsplit("/", 1)[0]
    _own_dir = _shared_dir / _name
    (_own_dir / "static").mkdir(parents=True, exist_ok=True)
    (_own_dir / "services.json").write_text((_shared_dir / "services.json").read_text())
    os.environ["REDIS_URL"] = f"{_redis_url}/{int(_name.removeprefix('gw')) + 1}"
    os.environ["RUN_DIR"] = str(_own_dir)
