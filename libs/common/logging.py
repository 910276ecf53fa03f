"""Log lines: JSON, with the trace and the event they belong to, and without anything personal.

Exception messages are dropped unless their family is known to be about machines only: a duplicate-key or a
validation message quotes what a person typed.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog
from opentelemetry import trace

from libs.common.errors import PixeraError

FORBIDDEN = frozenset(
    {
        "email",
        "username",
        "password",
        "prompt",
        "negative_prompt",
        "caption",
        "ip",
        "user_agent",
        "token",
        "body",
    }
    | {"payload", "authorization", "cookie", "card", "value", "device"}
)
"""Keys that no log line may carry: what they hold is personal or secret."""

MACHINE_ERRORS = (OSError, TimeoutError)
LAST_FRAMES = 3
SELDOM_S = 5.0

Line = MutableMapping[str, Any]


class PersonalDataInLog(ValueError):
    """A log call carries a key that must never be logged."""


def _refuse_personal(_: Any, __: str, line: Line) -> Line:
    if found := FORBIDDEN & line.keys():
        raise PersonalDataInLog(f"never log {sorted(found)}: log an opaque id instead")
    return line


def _add_trace(_: Any, __: str, line: Line) -> Line:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"] = format(context.trace_id, "032x")
        line["span_id"] = format(context.span_id, "016x")
        line["trace_flags"] = format(context.trace_flags, "02x")
    return line


def _safe_exception(_: Any, __: str, line: Line) -> Line:
    raised = line.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        line["error"] = describe(error)
        line["frames"] = _frames(error.__traceback__)
    return line


def _frames(tb: TracebackType | None) -> list[str]:
    """Return where it happened: the platform's own frames, and the last ones of whatever library it was."""
    frames = traceback.extract_tb(tb)
    shown = [frame for frame in frames[:-LAST_FRAMES] if "site-packages" not in frame.filename]
    return [
        f"{'/'.join(f.filename.split('/')[-3:])}:{f.lineno} {f.name}"
        for f in (*shown, *frames[-LAST_FRAMES:])
    ]


def describe(error: BaseException) -> str:
    """Return what may be written about an error: its name, and its message where that is about machines only."""
    name = type(error).__name__
    if isinstance(error, PixeraError):
        return f"{name} ({error.code})"
    from_machines = isinstance(error, MACHINE_ERRORS) or type(error).__module__.startswith(
        ("aiokafka", "urllib3")
    )
    return f"{name}: {error}" if from_machines else name


PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    _add_trace,
    _safe_exception,
    _refuse_personal,
]


class Seldom(logging.Filter):
    """Lets clients say each thing once in a while: without their broker or collector they repeat it without end."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is to be written; lines are alike by their text without its values."""
        if not record.name.startswith(("aiokafka", "opentelemetry")):
            return True
        key = (record.name, record.msg)
        if record.created - self._said.get(key, 0.0) < SELDOM_S:
            return False
        self._said[key] = record.created
        return True


def configure(service: str, level: str) -> None:
    """Send every log line of the process, libraries' included, to stdout as one JSON object each."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *PROCESSORS],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _named(service),
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        )
    )
    handler.addFilter(Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("aiokafka", "faststream", "pymongo", "httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings quote the names of people's objects


def _named(service: str) -> Any:
    def name(_: Any, __: str, line: Line) -> Line:
        line["service.name"] = service
        return line

    return name


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; what it is given besides the event's name must be opaque ids, codes and figures."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound
