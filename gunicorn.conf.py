"""How gunicorn runs the web server: here, in `manage.py up` and in containers. Command-line options go before it."""

import os
from pathlib import Path

from environ import Env


class _Env(Env):
    """The variables of `.env` beside the real ones, for this file only: workers read their own after a reload."""

    ENVIRON = dict(os.environ)


_Env.read_env(Path(__file__).resolve().parent / ".env")
env = _Env()

workers = env.int("WEB_WORKERS", default=2)
threads = env.int("WEB_THREADS", default=8)
worker_class = "config.platform.web_worker.CollectingWorker"
if Path("/dev/shm").is_dir():  # noqa: S108 - a slow disk must not look like a worker that hangs
    worker_tmp_dir = "/dev/shm"  # noqa: S108
# Longer than a proxy keeps an idle connection (deploy/nginx.conf: 2 seconds). A connection that this side closes first may
# have a request on its way, which the proxy then answers with 502.
keepalive = 5  # seconds
loglevel = "warning"
logger_class = "config.platform.web_log.MaskingLogger"
control_socket_disable = True

# gunicorn obeys SCRIPT_NAME and PATH_INFO from any peer on this machine, and through a proxy from anybody: callers would
# choose the path that the application sees, past what the proxy closes.
forwarder_headers = ""

limit_request_line = 4094  # bytes
limit_request_fields = 100
limit_request_field_size = 8190  # bytes
