"""`python -m tests.soak`: settings are loaded after the start of the servers, whose URLs they read."""

import os
import signal
import sys
import tempfile
from importlib import import_module
from pathlib import Path


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by SIGTERM"))  # also stops the started processes
    run_dir = Path(tempfile.mkdtemp(prefix="wxrobot-soak-")) / "run"
    (run_dir / "log").mkdir(parents=True)
    os.environ["TEST_LOGS"] = str(run_dir / "log")
    product = import_module("tests.soak.faulty_product").FaultyProduct(run_dir)
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    os.environ.update(product.env, DJANGO_SETTINGS_MODULE="config.settings")
    import_module("django").setup()
    status: int = import_module("tests.soak.soak").main(product)
    return status


if __name__ == "__main__":
    sys.exit(main())
