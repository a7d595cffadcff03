"""Where the servers of the embedded mode are, which `manage.py up` starts when the environment names none."""

import json
from pathlib import Path
from typing import Any

EMBEDDED_KEY = "embedded-only-"  # how a SECRET_KEY begins that is not for a deployment


def read_services(run_dir: Path) -> dict[str, Any] | None:
    """Return the contents of `services.json`; None when no servers run there, or while the file is being written."""
    try:
        services = json.loads((run_dir / "services.json").read_text())
    except (OSError, ValueError):
        return None
    return services if isinstance(services, dict) else None
