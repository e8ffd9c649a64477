"""What Prometheus is told at ``/metrics``, over the same mutual TLS as everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from eve_agent.driver.base import Driver
from eve_agent.service.consoles import Consoles
from eve_agent.service.identity import Identity

from .http import Call

_SETUP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class _State(Collector):
    """Read when asked, from where it is kept anyway."""

    def __init__(self, consoles: Consoles, identity: Identity, driver: Driver, listeners: Callable[[], int]) -> None:
        self._consoles = consoles
        self._identity = identity
        self._driver = driver
        self._listeners = listeners

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client."""
        yield GaugeMetricFamily("eve_agent_consoles_open", "Open console sessions.", value=len(self._consoles))
        size = CounterMetricFamily("eve_agent_console_bytes", "RFB bytes relayed.", labels=["direction"])
        size.add_metric(["to_viewer"], self._consoles.bytes_to_viewers)
        size.add_metric(["from_viewer"], self._consoles.bytes_from_viewers)
        yield size
        ends = CounterMetricFamily("eve_agent_console_ends", "Ended console sessions.", labels=["reason"])
        for reason, count in sorted(self._consoles.ends.items()):
            ends.add_metric([reason], count)
        yield ends
        yield GaugeMetricFamily("eve_agent_tasks", "Asyncio tasks.", value=len(asyncio.all_tasks()))
        yield GaugeMetricFamily("eve_agent_event_listeners", "Open websockets of /events.", value=self._listeners())
        yield GaugeMetricFamily(
            "eve_agent_libvirt_up", "Whether libvirt can be reached.", value=1 if self._driver.is_up else 0
        )
        yield GaugeMetricFamily(
            "eve_agent_certificate_not_after_seconds",
            "When the agent's certificate ends, seconds of Unix time.",
            value=self._identity.status().not_after.timestamp(),
        )


class Metrics:
    """The registry of one agent, and its endpoint."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "eve_agent_requests", "Requests.", ["method", "route", "status"], registry=self._registry
        )
        self._setup = Histogram(
            "eve_agent_console_setup_seconds",
            "From a console's request to its 101.",
            buckets=_SETUP_BUCKETS,
            registry=self._registry,
        )

    def watch(self, consoles: Consoles, identity: Identity, driver: Driver, listeners: Callable[[], int]) -> None:
        """Reports their state from now on."""
        self._registry.register(_State(consoles, identity, driver, listeners))

    def observe_request(self, method: str, route: str, status: int, _seconds: float) -> None:
        """Counts a request."""
        self._requests.labels(method, route, str(status)).inc()

    def observe_setup(self, seconds: float) -> None:
        """Notes a console's set-up time."""
        self._setup.observe(seconds)

    async def __call__(self, _call: Call) -> web.StreamResponse:
        """``GET /metrics``."""
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
