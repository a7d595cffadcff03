"""gunicorn's logger with lines that are masked and escaped like those of the application.

gunicorn quotes input of callers: an invalid request line, or the address of a failed request.
"""

import logging
from typing import Any

from gunicorn.glogging import Logger

from config.platform.logging import MaskingFormatter, mask_output


class MaskingLogger(Logger):
    """A logger with gunicorn's levels, files and formats that masks all lines, and all other output of the process."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        mask_output(stdout=True)
        for handler in {*logging.getLogger().handlers, *self.error_log.handlers, *self.access_log.handlers}:
            if not isinstance(handler.formatter, MaskingFormatter):
                original = handler.formatter or logging.Formatter()
                line_format = original._fmt  # noqa: SLF001 - a formatter has no other name for it
                handler.setFormatter(MaskingFormatter(line_format, original.datefmt))
