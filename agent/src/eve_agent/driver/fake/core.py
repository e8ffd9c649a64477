"""Reads, states, displays and faults of the made-up hypervisor, and what its other parts stand on."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import socket
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from eve_agent import __version__
from eve_agent.driver.base import EventListener, Screenshot
from eve_agent.driver.feed import EventFeed
from eve_agent.driver.rules import (
    is_already,
    is_kept_still,
    not_found,
    refuse_impossible,
    refuse_screenless,
    refuse_typing,
    vnc_display,
)
from eve_agent.errors import ActionRefused, AgentError, LibvirtAway, NoDisplay
from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import Disk, Domain, DomainState, Graphics, GraphicsKind, Nic, Resources, StateAction
from eve_agent.wire.events import Event, EventKind
from eve_agent.wire.host import Cpu, HostFacts, HostNetwork, HostPool, NumaNode
from eve_agent.wire.version import CONTRACT_VERSION

from .lines import FakeLines

VNC = Graphics(kind=GraphicsKind.VNC, index=0)
THREADS = 64
MEMORY_BYTES = 512 * 2**30
POOL_BYTES = 4096 * 2**30
NETWORK = "default"
BRIDGE = "virbr0"
_NAMESPACE = uuid.UUID("5f4b3e0e-9f3c-4f4d-8f5a-0c1c3b2a1d00")
_GIB = 2**30
_SCREEN = (64, 48)
_KEYS_KEPT = 1000
_OUTCOMES = {
    StateAction.START: (DomainState.RUNNING, "booted"),
    StateAction.STOP: (DomainState.OFF, "destroyed"),
    StateAction.SUSPEND: (DomainState.PAUSED, "user"),
    StateAction.RESUME: (DomainState.RUNNING, "unpaused"),
}


class FakeCore:
    """See :class:`~eve_agent.driver.fake.FakeDriver`.

    Args:
        console_address: host and port of an RFB 3.8 server without authentication, which is every guest's screen;
            with ``None`` a console raises NoDisplay.
        domains: how many running guests it has to begin with, named ``fake-0001`` and so on.
        host_name: hosts of different names have different guests (UUIDs); the same name has the same again.
        shutdown_seconds: how long guests take to obey the power button; ``None``: they ignore it.
    """

    def __init__(
        self,
        *,
        console_address: tuple[str, int] | None = None,
        domains: int = 3,
        host_name: str = "fake",
        shutdown_seconds: float | None = 0.5,
    ) -> None:
        self.latency_seconds = 0.0
        """How long every call takes."""
        self.pressed: dict[uuid.UUID, deque[tuple[int, ...]]] = {}
        """The last keys that each guest got, as Linux keycodes."""
        self._lines = FakeLines()
        self._console_address = console_address
        self._host_name = host_name
        self.shutdown_seconds = shutdown_seconds
        self._feed = EventFeed()
        self._domains: dict[uuid.UUID, Domain] = {}
        self._plugged: set[uuid.UUID] = set()
        """Domains that were given vCPUs since they started."""
        self._faults: list[AgentError] = []
        self._timers: dict[uuid.UUID, asyncio.TimerHandle] = {}
        self.pool_names = ["default"]
        self.full_pools: set[str] = set()
        """Names of pools where nothing more goes in."""
        self._is_up = False
        self._why_down = "not started yet"
        for number in range(1, domains + 1):
            self.define(f"fake-{number:04}")

    def _free_bytes(self, pool: str) -> int:
        return 0 if pool in self.full_pools else POOL_BYTES // 2

    @property
    def is_up(self) -> bool:
        """Whether it was started and is not away."""
        return self._is_up

    async def start(self) -> None:
        self.come_back()

    async def close(self) -> None:
        self._is_up, self._why_down = False, "the agent is ending"
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._lines.close()

    def subscribe(self, listener: EventListener) -> Callable[[], None]:
        return self._feed.subscribe(listener)

    async def host_facts(self) -> HostFacts:
        await self._answer()
        return HostFacts(
            host_name=self._host_name,
            agent_version=__version__,
            contract_version=CONTRACT_VERSION,
            libvirt_version="9.0.0",
            hypervisor_version="7.2.0",
            cpu=Cpu(
                architecture="x86_64",
                model="EPYC-Rome",
                sockets=1,
                cores_per_socket=16,
                threads_per_core=2,
                threads_total=THREADS,
                frequency_mhz=2450,
            ),
            memory_bytes=MEMORY_BYTES,
            memory_free_bytes=256 * _GIB,
            time=dt.datetime.now(dt.UTC),
            numa_nodes=tuple(
                NumaNode(node_id=node, memory_bytes=256 * _GIB, cpu_ids=tuple(range(32 * node, 32 * node + 32)))
                for node in range(2)
            ),
            bridges=(BRIDGE,),
            networks=(HostNetwork(name=NETWORK, is_active=True, bridge=BRIDGE),),
            pools=tuple(
                HostPool(
                    name=name,
                    kind="dir",
                    is_active=True,
                    capacity_bytes=POOL_BYTES,
                    available_bytes=self._free_bytes(name),
                )
                for name in self.pool_names
            ),
        )

    async def domains(self) -> tuple[Domain, ...]:
        await self._answer()
        return tuple(sorted(self._domains.values(), key=lambda domain: (domain.name, domain.uuid)))

    async def domain(self, domain_uuid: uuid.UUID) -> Domain:
        await self._answer()
        return self._get(domain_uuid)

    async def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        await self._answer()
        before = self._get(domain_uuid)
        if is_already(action, before):
            return before
        refuse_impossible(action, before)
        if action in _OUTCOMES:
            state, reason = _OUTCOMES[action]
            return self._enter(before, state, reason)
        if action is StateAction.RESET and is_kept_still(before):
            return self._enter(before, DomainState.RUNNING, "unpaused")
        if action is StateAction.SHUTDOWN and self.shutdown_seconds is not None:
            self._schedule_power_off(domain_uuid, self.shutdown_seconds)
        return before

    async def open_console(
        self, domain_uuid: uuid.UUID, kind: ConsoleKind, *, is_forced: bool = False
    ) -> socket.socket:
        await self._answer()
        domain = self._get(domain_uuid)
        if kind is ConsoleKind.SERIAL:
            return await self._lines.open(domain, is_forced=is_forced)
        vnc_display(domain)
        if self._console_address is None:
            raise NoDisplay(f"“{domain.name}” is made up and has no screen: give the agent a --fake-console.")
        return await _connect(*self._console_address)

    async def press_keys(self, domain_uuid: uuid.UUID, keys: tuple[int, ...], hold_ms: int) -> None:
        await self._answer()
        refuse_typing(self._get(domain_uuid))
        self.pressed.setdefault(domain_uuid, deque(maxlen=_KEYS_KEPT)).append(keys)

    async def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot:
        await self._answer()
        domain = self._get(domain_uuid)
        refuse_screenless(domain)
        if not domain.graphics:
            raise NoDisplay(f"“{domain.name}” has no video device.")
        width, height = _SCREEN
        header = f"P6\n{width} {height}\n255\n".encode()
        return Screenshot("image/x-portable-pixmap", header + domain_uuid.bytes[:3] * (width * height))

    def define(self, name: str, *, state: DomainState = DomainState.RUNNING, **fields: Any) -> uuid.UUID:
        """Adds a guest, with :class:`Domain` fields of choice, and tells so. Returns its id, which follows from its name."""
        domain_uuid = uuid.uuid5(_NAMESPACE, f"{self._host_name}/{name}")
        usual: dict[str, Any] = {
            "vcpus": 2,
            "vcpus_max": 2,
            "memory_bytes": 2 * _GIB,
            "memory_max_bytes": 2 * _GIB,
            "reason": "booted" if state is DomainState.RUNNING else "",
            "disks": (
                Disk(
                    target="vda",
                    bus="virtio",
                    format="qcow2",
                    source=f"/var/lib/libvirt/images/{domain_uuid}.qcow2",
                    capacity_bytes=20 * _GIB,
                ),
            ),
            "nics": (Nic(mac=_mac(domain_uuid), kind="network", source="default", model="virtio"),),
            "graphics": (VNC,),
            "has_serial": True,
        }
        domain = Domain(uuid=domain_uuid, name=name, state=state, **{**usual, **fields})
        self._put(domain)
        return domain_uuid

    def change(self, domain_uuid: uuid.UUID, **fields: Any) -> Domain:
        """Changes :class:`Domain` fields of a guest behind everybody's back, and tells so. Raises DomainNotFound."""
        return self._put(dataclasses.replace(self._get(domain_uuid), **fields))

    def remove(self, domain_uuid: uuid.UUID) -> None:
        """Takes a guest away, and tells so. Raises DomainNotFound."""
        self._get(domain_uuid)
        del self._domains[domain_uuid]
        if timer := self._timers.pop(domain_uuid, None):
            timer.cancel()
        self._publish(Event(EventKind.DOMAIN_REMOVED, domain_uuid=domain_uuid))

    def go_away(self, why: str = "libvirt closed the connection") -> None:
        """From now on every call raises LibvirtAway, as with a killed libvirtd; open consoles go on."""
        if self._is_up:
            self._is_up, self._why_down = False, why
            self._feed.publish(Event(EventKind.LIBVIRT_DOWN))

    def come_back(self) -> None:
        """Ends :meth:`go_away`."""
        if not self._is_up:
            self._is_up = True
            self._feed.publish(Event(EventKind.LIBVIRT_UP))

    def fail_next(self, *errors: AgentError) -> None:
        """The next calls raise these, one each."""
        self._faults.extend(errors)

    async def _answer(self) -> None:
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        if not self._is_up:
            raise LibvirtAway(f"libvirt is not reachable on this host ({self._why_down}); the agent keeps trying.")
        if self._faults:
            raise self._faults.pop(0)

    def _get(self, domain_uuid: uuid.UUID) -> Domain:
        if domain_uuid not in self._domains:
            raise not_found()
        return self._domains[domain_uuid]

    def _put(self, domain: Domain) -> Domain:
        self._domains[domain.uuid] = domain
        self._publish(Event(EventKind.DOMAIN_CHANGED, domain_uuid=domain.uuid, domain=domain))
        return domain

    def _enter(self, before: Domain, state: DomainState, reason: str) -> Domain:
        after = dataclasses.replace(before, state=state, reason=reason)
        if state is DomainState.OFF:
            self._lines.end(before.uuid)
            self._plugged.discard(before.uuid)
        if state is DomainState.OFF and before.next_start is not None:
            after = with_resources(after, before.next_start)
        if state is DomainState.OFF:
            after = dataclasses.replace(
                after,
                disks=after.disks if after.next_disks is None else after.next_disks,
                nics=after.nics if after.next_nics is None else after.next_nics,
                next_disks=None,
                next_nics=None,
            )
        if state is not DomainState.OFF or before.is_persistent:
            return self._put(after)
        self.remove(before.uuid)
        return after

    def _schedule_power_off(self, domain_uuid: uuid.UUID, seconds: float) -> None:
        def power_off() -> None:
            self._timers.pop(domain_uuid, None)
            domain = self._domains.get(domain_uuid)
            if domain is not None and domain.state is DomainState.RUNNING:
                self._enter(domain, DomainState.OFF, "shutdown")

        if domain_uuid not in self._timers:
            self._timers[domain_uuid] = asyncio.get_running_loop().call_later(seconds, power_off)

    def _publish(self, event: Event) -> None:
        """Nobody hears of what happens while libvirt is away: that is what LIBVIRT_UP is for."""
        if self._is_up:
            self._feed.publish(event)


def with_resources(domain: Domain, resources: Resources) -> Domain:
    """The domain with other processors and memory."""
    return dataclasses.replace(
        domain,
        vcpus=resources.vcpus,
        vcpus_max=resources.vcpus_max,
        memory_bytes=resources.memory_bytes,
        memory_max_bytes=resources.memory_max_bytes,
        next_start=None,
    )


def _mac(domain_uuid: uuid.UUID) -> str:
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in domain_uuid.bytes[-3:])


async def _connect(host: str, port: int) -> socket.socket:
    """A connected, non-blocking socket, by IPv4 or IPv6. Raises ActionRefused."""
    loop = asyncio.get_running_loop()
    reason = "it has no address"
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ActionRefused(f"The screen at {host} port {port} cannot be reached: {error}") from error
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, address)
        except OSError as error:
            connection.close()
            reason = str(error)
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise ActionRefused(f"The screen at {host} port {port} cannot be reached: {reason}")
