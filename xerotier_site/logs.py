"""Everything a server process says, as one JSON object a line on standard output.

Libraries log through the standard library; their lines get the same shape as the plane's own
(``event``, ``level``, ``timestamp``). API keys and bearer tokens are blotted out wherever they
turn up, because some library will one day log a header.
"""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(
    r"(xero_[a-z0-9-]+_|xjk_[a-z0-9-]+_|xerop_|(?i:bearer) )[0-9A-Za-z._~+/=-]{6,}"
)


def blot_secrets(text: str) -> str:
    """Replace what looks like a key or a token, keeping the part that names it."""
    return _SECRET.sub(r"\1…", text)


def configure_logging() -> None:
    """Send every log line of this process to standard output as JSON."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _blot,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": formatter},
            "handlers": {
                "out": {
                    "class": "logging.StreamHandler",
                    "stream": "ext://sys.stdout",
                    "formatter": "json",
                }
            },
            "root": {"handlers": ["out"], "level": "WARNING"},
            "loggers": {"uvicorn": {"level": "WARNING"}, "django": {"level": "WARNING"}},
        }
    )
    logging.captureWarnings(capture=True)


def _blot(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: blot_secrets(v) if isinstance(v, str) else v for name, v in line.items()}
