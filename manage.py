#!/usr/bin/env python
"""The command line of Django."""

import gc
import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

from config.platform.logging import mask_output


def main() -> None:
    gc.disable()  # until the apps are loaded (config/apps.py)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    mask_output(stdout=False)
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if "port 1 failed" not in str(
            error
        ):  # the default of DATABASE_URL in config/settings.py, where no server listens
            raise
        sys.exit(
            "The embedded database is not running. Start it with 'make run' (in another terminal), or set DATABASE_URL."
        )


if __name__ == "__main__":
    main()
