"""A process that imports the packages of the product once, and runs Python programs in children that it forks.

The children import all of the product, with an environment of their own. An order is a line of JSON, [arguments of Python,
environment, files for the output and the errors, seconds]. The response is the child's exit status.
"""

import gc
import json
import os
import runpy
import signal
import sys
from importlib import import_module

PACKAGES = (
    "celery.bin.celery",
    "cryptography.fernet",
    "cryptography.x509",
    "django.contrib.admin.utils",
    "django.core.handlers.wsgi",
    "django.core.management.commands.check",
    "django.core.management.commands.shell",
    "django.db.backends.postgresql.base",
    "django.test",
    "drf_spectacular.utils",
    "environ",
    "pgtrigger",
    "redis.asyncio",
    "requests",
    "rest_framework.fields",
    "xlsxwriter",
    "yaml",
)


def _order() -> list[str] | None:
    """Serve orders. Returns the arguments of Python in a child, and None in the parent at the end."""
    for line in sys.stdin:
        arguments, environment, outputs, seconds = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.environ.clear()
            os.environ.update(environment)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for descriptor, path in enumerate(outputs, start=1):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            signal.alarm(seconds)
            return list(arguments)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()
    return None


def _run(first: str, *others: str) -> None:
    """Run `-c code`, `-m module` or a file with its arguments, as Python does."""
    if first == "-c":
        sys.argv = ["-c", *others[1:]]
        exec(compile(others[0], "<string>", "exec"), {"__name__": "__main__"})
    elif first == "-m":
        sys.argv = [others[0], *others[1:]]
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *others]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    for name in PACKAGES:
        import_module(name)
    gc.freeze()
    order = _order()
    if order is not None:
        _run(*order)
