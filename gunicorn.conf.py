"""The configuration of gunicorn, also for `manage.py up` and containers. Command-line options override it."""

import os
from pathlib import Path

from environ import Env


class _Env(Env):
    """The environment with the variables of `.env`, for this file only: workers read `.env` again after a reload."""

    ENVIRON = dict(os.environ)


_Env.read_env(Path(__file__).resolve().parent / ".env")
env = _Env()

workers = env.int("WEB_WORKERS", default=2)
threads = env.int("WEB_THREADS", default=8)
worker_class = "config.platform.web_worker.CollectingWorker"
if Path("/dev/shm").is_dir():  # noqa: S108 - on a slow disk a worker would seem to hang
    worker_tmp_dir = "/dev/shm"  # noqa: S108
# Longer than a proxy keeps an idle connection (deploy/nginx.conf: 2 seconds). When this side closes a connection first, a
# request may already be under way, and the proxy answers it with 502.
keepalive = 5  # seconds
loglevel = "warning"
logger_class = "config.platform.web_log.MaskingLogger"
control_socket_disable = True

# gunicorn accepts the headers SCRIPT_NAME and PATH_INFO from this machine, and so through a proxy from every caller: callers
# could choose the path that the application sees, and reach paths that the proxy denies.
forwarder_headers = ""

limit_request_line = 4094  # bytes
limit_request_fields = 100
limit_request_field_size = 8190  # bytes
