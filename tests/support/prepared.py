"""A PostgreSQL data directory in which every migration has run, kept in `.run/tests` and copied by whoever needs a database.

`initdb` and the migrations take 15 to 20 seconds, a copy half a second. The directory's name holds a hash of everything
that the result depends on, so that a changed migration, model or package makes a new one.
"""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.local.embedded import DATABASE, EmbeddedServices
from tests.support.paths import PROJECT

CACHE = PROJECT / ".run" / "tests"
KEPT = 2  # data directories, of about 70 MB each: going to another branch and back makes none anew
TEMPLATE = DATABASE
# Migrations and what they import, what runs at the end of `migrate` (roles, audit triggers), and what makes the directory.
_SOURCES = (
    "*/migrations/*.py",
    "*/models.py",
    "*/models/*.py",
    "*/apps.py",
    "config/settings.py",
    "config/backoffice/*.py",
    "config/platform/*.py",
    "config/local/embedded.py",
    "requirements.txt",
)


def prepared_directory() -> Path:
    """Return the kept directory (`postgres` and `postgres.password`); make it first where there is none of this version."""
    directory = CACHE / f"prepared-{version_of(PROJECT)}"
    with _only_one():
        if not directory.exists():
            _make(directory)
            _remove_old_ones()
        os.utime(directory)
    return directory


def copy_prepared(run_dir: Path) -> None:
    """Put a copy of the data directory and its password into this folder, as a first start would have made them."""
    prepared = prepared_directory()
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copytree(prepared / "postgres", run_dir / "postgres")
    shutil.copy2(prepared / "postgres.password", run_dir)


def version_of(project: Path) -> str:
    """Return a hash of the names and contents of the files that a migrated database depends on."""
    found = hashlib.sha256()
    for path in sorted({path for pattern in _SOURCES for path in project.glob(pattern)}):
        found.update(f"{path.relative_to(project)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


@contextmanager
def _only_one() -> Iterator[None]:
    """Let one process at a time make directories; the kernel releases the lock of one that was killed."""
    CACHE.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(directory: Path) -> None:
    """Make it under another name, so that whoever is killed half-way leaves nothing that looks complete."""
    from tests.support.processes import run_process  # noqa: PLC0415 - the folder of its logs is not there earlier

    fresh = CACHE / "new"
    shutil.rmtree(fresh, ignore_errors=True)
    services = EmbeddedServices(fresh, durable=False)
    services.start()
    try:
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        argv = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        run_process(argv, "migrate", env=kept | {"RUN_DIR": str(fresh)}, check=True)
    finally:
        services.stop()
    fresh.rename(directory)


def _remove_old_ones() -> None:
    """Keep the ones that were used last."""
    newest_first = sorted(CACHE.glob("prepared-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for directory in newest_first[KEPT:]:
        shutil.rmtree(directory)
