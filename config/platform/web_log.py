"""gunicorn's logger, changed so that its lines are masked and escaped like those of the application.

gunicorn quotes what callers sent: a request line that it cannot read, the address of a request that failed.
"""

import logging
from typing import Any

from gunicorn.glogging import Logger

from config.platform.logging import MaskingFormatter, mask_output


class MaskingLogger(Logger):
    """Keeps gunicorn's levels, files and formats; masks what they write, and what the process prints besides."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        mask_output(stdout=True)
        for handler in {*logging.getLogger().handlers, *self.error_log.handlers, *self.access_log.handlers}:
            if not isinstance(handler.formatter, MaskingFormatter):
                written = handler.formatter or logging.Formatter()
                handler.setFormatter(MaskingFormatter(written._fmt, written.datefmt))
