"""Which networks customers may use, and that nobody plugs a card into another."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts.models import User
from accounts.services import audit_record
from common.errors import Invalid
from common.sentences import gettext as _
from hypervisors.models import Hypervisor, Site
from hypervisors.selectors import sites_for
from vms.errors import ActionNotAllowed
from vms.models import NicKind, OpenNetwork
from vms.networks import Plug, default_plug, networks_of, plugs_for, plugs_of, plugs_open_at


def default_nics(host: Hypervisor) -> list[Plug]:
    """One card in the default network, where the host has it; else none."""
    plug = default_plug()
    return [plug] if plug in plugs_of(host) else []


def nics_check(host: Hypervisor, nics: Sequence[Plug], user: User) -> None:
    """That the user may use these networks, and the host has them. Raises Invalid."""
    nics_check_open(host, nics, user)
    known = set(plugs_of(host))
    for kind, source in nics:
        if (kind, source) not in known:
            raise _refused(
                _("Host %(host)s has no %(kind)s called “%(name)s”, or it is not active.")
                % {
                    "host": host.name,
                    "kind": NicKind(kind).label if kind in NicKind.values else kind,
                    "name": source,
                }
            )


def nics_check_open(host: Hypervisor, nics: Sequence[Plug], user: User) -> None:
    """That the user may use these networks; what there is besides is told to nobody else. Raises Invalid."""
    closed = set(nics) - plugs_open_at([host.site_id])[host.site_id]
    if not closed or sites_for(user).filter(pk=host.site_id).exists():
        return
    usable = ", ".join(name for _kind, name in plugs_for(user, [host]))
    raise _refused(
        _(
            "“%(name)s” is no network that you may use at site %(site)s. You may use: %(usable)s. Its staff can open others to customers."
        )
        % {"name": min(closed)[1], "site": host.site.name, "usable": usable or _("none")}
    )


@transaction.atomic
def network_set_open(*, site: Site, user: User, kind: str, name: str, is_open: bool) -> None:
    """Lets customers use a network or bridge of the site's hosts, or no longer. Machines that use it go on doing so.

    Raises:
        ActionNotAllowed: the user is not staff of the site.
        Invalid: no host of it has that network, or it is the default one, which stays open.
    """
    if not sites_for(user).filter(pk=site.pk).exists():
        raise ActionNotAllowed(_("Which networks customers may use is said by the staff of the site."))
    known = next((network for network in networks_of(site) if (network.kind, network.name) == (kind, name)), None)
    if known is None:
        detail = _("No host of site %(site)s has an active network or bridge “%(name)s”.") % {
            "site": site.name,
            "name": name,
        }
        raise Invalid(detail, errors={"name": [detail]})
    if known.is_open == is_open:
        return
    if known.is_default:
        detail = _(
            "“%(name)s” is the default network, which everybody may use. EVE_DEFAULT_NETWORK makes another the default."
        ) % {"name": name}
        raise Invalid(detail, errors={"is_open": [detail]})
    if is_open:
        OpenNetwork.objects.get_or_create(site=site, kind=kind, name=name)
    else:
        OpenNetwork.objects.filter(site=site, kind=kind, name=name).delete()
    audit_record(
        action="network.open" if is_open else "network.close",
        actor=user,
        target=site,
        detail={"kind": kind, "name": name},
    )


def _refused(detail: str) -> Invalid:
    return Invalid(detail, errors={"nics": [detail]})
