"""What staff should look at, from what Eve knows of hosts and their VMs, each with the place where it is mended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.urls import reverse
from django.utils.functional import Promise
from eve_agent.wire.version import CONTRACT_VERSION

from accounts.models import User
from common.sentences import gettext as _
from common.sentences import gettext_lazy, ngettext
from common.templatetags.eve import bytes_in_units, grouped
from hypervisors.models import HypervisorState
from hypervisors.services.enrolment import MAX_SKEW

from .drift import Drift
from .hosts import Host, hosts_for, states_of
from .models import VmState
from .storage import pools_of

CLOCK_SECONDS: Final = int(MAX_SKEW.total_seconds())
"""A host whose clock is further off would not be enrolled either."""
UNSTEADY: Final = 3
"""A host that was away so often in a day wants looking at, also while it is back."""
TONES: Final = ("bad", "away", "warn")
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that somebody should look at."""

    code: str
    """Stable, for programs."""
    icon: str
    tone: str
    """``bad``, ``away`` or ``warn``."""
    title: str
    text: str
    """What it means."""
    url: str
    """The page where it is mended."""
    label: str
    """What is done there."""
    hypervisor_id: UUID | None = None
    since: dt.datetime | None = None


def alerts_of(hosts: Sequence[Host]) -> list[Alert]:
    """What to mind about these hosts, the worst first."""
    found = [
        alert
        for host in hosts
        for alert in (*_connection(host), *_outages(host), *_certificate(host), *_agent(host), *_pools(host))
    ]
    return sorted(found, key=lambda alert: TONES.index(alert.tone))


def fleet_alerts(of_hosts: Iterable[Alert], *, crashed: int, drift: int) -> list[Alert]:
    """What to mind of hosts (:func:`alerts_of`), their `crashed` VMs, and in how many ways they differ from Eve."""
    found = list(of_hosts)
    if crashed:
        words = ngettext("%s virtual machine has crashed", "%s virtual machines have crashed", crashed)
        text = _("Their disks are untouched. Look at their screens, then start or reset them.")
        url = f"{reverse('manage-vms')}?state=trouble"
        found.append(Alert("vm_crashed", "alert-triangle", "bad", words % grouped(crashed), text, url, _("Show them")))
    if drift:
        words = ngettext("%s difference between libvirt and Eve", "%s differences between libvirt and Eve", drift)
        text = _("Eve mends nothing by itself.")
        url = reverse("manage-drift")
        found.append(Alert("drift", "git-compare", "warn", words % grouped(drift), text, url, _("Look and choose")))
    return sorted(found, key=lambda alert: TONES.index(alert.tone))


def alerts_for(user: User) -> list[Alert]:
    """What to mind at the sites that the user manages."""
    hosts = hosts_for(user)
    return fleet_alerts(alerts_of(hosts), crashed=states_of(hosts)[VmState.CRASHED], drift=Drift(user).total)


_AWAY: Final[dict[str, tuple[str, str, Promise]]] = {
    HypervisorState.OFFLINE: ("cloud-off", "away", gettext_lazy("%(host)s does not answer")),
    HypervisorState.LIBVIRT_DOWN: (
        "plug-connected-x",
        "warn",
        gettext_lazy("libvirt on %(host)s does not answer"),
    ),
    HypervisorState.REJECTED: ("fingerprint", "bad", gettext_lazy("%(host)s is not trusted")),
}


def _connection(host: Host) -> Iterable[Alert]:
    row = host.row
    if row.state == HypervisorState.REVOKED:
        yield Alert(
            code="host_shut_out",
            icon="lock",
            tone="bad",
            title=_("%(host)s is shut out") % {"host": row.name},
            text=_("Its certificate was revoked. Enrol it again to bring it back."),
            url=reverse("manage-hypervisor-enrolment", args=[row.pk]),
            label=_("Enrol it again"),
            hypervisor_id=row.pk,
            since=row.state_since,
        )
    if row.state not in _AWAY:
        return
    icon, tone, title = _AWAY[row.state]
    count = host.load.states[VmState.UNKNOWN]
    words = ngettext("%s VM is shown as unknown.", "%s VMs are shown as unknown.", count) % grouped(count)
    yield Alert(
        code=f"host_{row.state}",
        icon=icon,
        tone=tone,
        title=str(title % {"host": row.name}),
        text=f"{row.state_reason} {words if count else ''}".strip(),
        url=reverse("manage-hypervisor-test", args=[row.pk]),
        label=_("Test the connection"),
        hypervisor_id=row.pk,
        since=row.state_since,
    )


def _outages(host: Host) -> Iterable[Alert]:
    """A host that comes and goes."""
    row = host.row
    if row.outage_count < UNSTEADY:
        return
    yield Alert(
        code="host_unsteady",
        icon="history",
        tone="warn",
        title=_("%(host)s was away %(count)d times in the last 24 hours")
        % {"host": row.name, "count": row.outage_count},
        text=_("Its network, its agent or libvirt does not stay up."),
        url=reverse("manage-outages", args=[row.pk]),
        label=_("See when"),
        hypervisor_id=row.pk,
    )


def _certificate(host: Host) -> Iterable[Alert]:
    row, days = host.row, host.certificate_days
    if days is None or not host.is_certificate_short or row.state == HypervisorState.REVOKED:
        return
    has_ended = days < 0
    words = (
        _("The certificate of %(host)s has ended") if has_ended else _("The certificate of %(host)s was not renewed")
    )
    left = ngettext("Valid for %d day.", "Valid for %d days.", max(days, 0)) % max(days, 0)
    yield Alert(
        code="certificate",
        icon="certificate",
        tone="bad" if has_ended else "warn",
        title=words % {"host": row.name},
        text=f"{left} {_('Running VMs are not affected.')}",
        url=reverse("manage-hypervisor-enrolment" if has_ended else "manage-hypervisor-test", args=[row.pk]),
        label=_("Enrol it again") if has_ended else _("Test the connection"),
        hypervisor_id=row.pk,
    )


def _agent(host: Host) -> Iterable[Alert]:
    """What a host that answers says of itself."""
    row = host.row
    if row.state != HypervisorState.ONLINE:
        return
    off = row.clock_offset_seconds
    if off is not None and abs(off) > CLOCK_SECONDS:
        ahead = _("%(seconds)d seconds ahead of Eve's.") if off > 0 else _("%(seconds)d seconds behind Eve's.")
        yield Alert(
            code="clock",
            icon="clock",
            tone="warn",
            title=_("The clock of %(host)s is wrong") % {"host": row.name},
            text=f"{ahead % {'seconds': abs(off)}} {_('Certificates and times in logs need clocks that agree. Set it by NTP.')}",
            url=reverse("manage-hypervisor", args=[row.pk]),
            label=_("Show the host"),
            hypervisor_id=row.pk,
        )
    version = host.facts.contract_version if host.facts else CONTRACT_VERSION
    if version < CONTRACT_VERSION:
        yield Alert(
            code="agent_old",
            icon="refresh",
            tone="warn",
            title=_("The agent on %(host)s is old") % {"host": row.name},
            text=_(
                "It knows version %(agent)d of the contract, Eve %(eve)d. It is served, but not all is possible there."
            )
            % {"agent": version, "eve": CONTRACT_VERSION},
            url=reverse("manage-hypervisor", args=[row.pk]),
            label=_("Show the host"),
            hypervisor_id=row.pk,
        )


def _pools(host: Host) -> Iterable[Alert]:
    """Pools that fill; of a host that is away it is not known any more."""
    if host.row.state != HypervisorState.ONLINE:
        return
    for pool in pools_of(host.row, host.facts):
        share = pool.share
        if not (pool.is_active and share.tone):
            continue
        yield Alert(
            code="pool_full",
            icon="database",
            tone="bad" if share.tone == "b" else "warn",
            title=_("Pool %(pool)s on %(host)s is %(percent)d %% full")
            % {"pool": pool.name, "host": host.row.name, "percent": share.percent},
            text=_("%(free)s are free. In a full pool guests are paused until there is space again.")
            % {"free": bytes_in_units(pool.available_bytes)},
            url=pool.url,
            label=_("See what is in it"),
            hypervisor_id=host.row.pk,
        )
