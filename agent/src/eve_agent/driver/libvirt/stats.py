"""Counters in a session: one call for all domains."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from eve_agent.driver.counters import interface_names, read_domain_stats, read_host_stats
from eve_agent.driver.states import state_of
from eve_agent.driver.xml import DomainDocument, MalformedXml
from eve_agent.wire.domain import DomainState
from eve_agent.wire.stats import Stats

from .binding import Code, Flag
from .calls import translating
from .snapshots import SnapshotCalls


class StatsCalls(SnapshotCalls):
    """See :class:`~eve_agent.driver.host.Session`."""

    @translating
    def stats(self) -> Stats:
        """Of the host and of what runs; a guest whose QEMU hangs is told as far as it is known without asking it."""
        measured = self._connection.getAllDomainStats(Flag.STATS_ALL, Flag.STATS_ACTIVE | Flag.STATS_NOWAIT)
        host = read_host_stats()
        found = []
        for domain, stats in measured:
            state, _ = state_of(stats.get("state.state", -1), -1)
            if state is not DomainState.OFF:
                domain_uuid = uuid.UUID(bytes=domain.UUID())
                found.append(read_domain_stats(domain_uuid, state, stats, macs=self._macs_of(domain, stats)))
        return Stats(time=dt.datetime.now(dt.UTC), host=host, domains=tuple(found))

    def _macs_of(self, domain: Any, stats: dict[str, Any]) -> dict[str, str]:
        """MACs by interface; a domain's document is read again only when its interfaces are others."""
        names = interface_names(stats)
        key = domain.UUID()
        known = self._macs.get(key, {})
        if not names <= known.keys():
            with self._passing_over(Code.NO_DOMAIN):
                try:
                    known = DomainDocument(domain.XMLDesc(0)).macs_by_interface
                except MalformedXml:
                    known = dict.fromkeys(names, "")
                self._macs[key] = known
        return known
