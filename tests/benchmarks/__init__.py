"""Benchmarks: scripts, not tests. `make bench` runs each in a process of its own: `python -m tests.benchmarks.<script>`.

Importing this package starts a PostgreSQL and a Redis for that process alone and migrates the database, so a script
imports models like any other module. The servers do not wait for the disk, neither for our code nor for the floor.
"""

import logging
import os

import django
from django.core.management import call_command

from tests.support import services  # noqa: F401 - starts the servers

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()
logging.disable(logging.INFO)
call_command("migrate", verbosity=0)
