"""What Prometheus is told of this process' consoles at ``/metrics``."""

from __future__ import annotations

from eve_agent.wire.close import CloseCode
from prometheus_client import Counter, Gauge, Histogram

OPEN = Gauge("eve_consoles_open", "Open console sessions.")
BYTES = Counter(
    "eve_console_bytes", "Bytes relayed, websocket frames' headers included where sockets are spliced.", ["direction"]
)
ENDS = Counter("eve_console_ends", "Ended console sessions.", ["reason"])
SETUP = Histogram(
    "eve_console_setup_seconds",
    "From a console's handshake to the first byte that may flow.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
LINKS = Counter(
    "eve_console_links",
    "Links to agents' consoles, by their connection: made in advance, or when it was asked for.",
    ["connection"],
)


def end_name(code: int) -> str:
    """A close code as a label: one of a few, whatever a browser said."""
    try:
        return CloseCode(code).name.lower()
    except ValueError:
        return "viewer_lost" if code in (1005, 1006) else "other"
