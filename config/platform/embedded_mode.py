"""The addresses of the embedded servers, which `manage.py up` starts when the environment names none."""

import json
from pathlib import Path
from typing import Any

EMBEDDED_KEY = "embedded-only-"  # the prefix of a SECRET_KEY that a deployment must not use


def read_services(run_dir: Path) -> dict[str, Any] | None:
    """Return the contents of `services.json`. Returns None when no servers run, or while the file is being written."""
    try:
        services = json.loads((run_dir / "services.json").read_text())
    except (OSError, ValueError):
        return None
    return services if isinstance(services, dict) else None
