"""Structured logs: events with fields, on stderr; JSON where no person reads along."""

from __future__ import annotations

import sys

import structlog


def configure(process: str) -> None:
    """Sets up logging for this process, once, at start. Every event carries `process` and what is bound by
    `structlog.contextvars` (delivery, task, lane)."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(process=process)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
