"""Whether a text's values are a network config of cloud-init's, version 1 or 2. Says where they are not.

Sources: cloudinit.readthedocs.io, "Networking config Version 1" and "Version 2", and cloud-init's own schemas of both. What they name is checked
by shape. What they do not is let through, since a guest with netplan takes all that netplan knows.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from common.sentences import gettext as _

Check = Callable[[str, Any], None]
"""Is given a path, such as ``ethernets.eth0.mtu``, and what is there. Raises NoNetworkConfig."""

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)


class NoNetworkConfig(ValueError):
    """It is none; the text says where and why."""

    def __init__(self, path: str, words: str) -> None:
        super().__init__(f"{path}: {words}" if path else words)


def network_config_check(values: Mapping[Any, Any]) -> None:
    """That it is one, alone or below ``network``. Raises NoNetworkConfig."""
    path = ""
    if set(values) == {"network"}:
        path, values = "network", _mapping_at("network", values["network"])
    if values.get("config") == "disabled":
        return
    version = values.get("version")
    if version not in (1, 2) or isinstance(version, bool):
        raise NoNetworkConfig(_below(path, "version"), _("1 or 2."))
    (_VERSION_1 if version == 1 else _VERSION_2)(path, values)


def _below(path: str, name: object) -> str:
    return f"{path}.{str(name)[:40]}" if path else str(name)[:40]


def _mapping_at(path: str, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise NoNetworkConfig(path, _("lines of “name: value” belong here."))
    return value


def _words(path: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise NoNetworkConfig(path, _("a text belongs here."))


def _number(low: int, high: int) -> Check:
    def check(path: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise NoNetworkConfig(
                path, _("a number from %(low)d to %(high)d belongs here.") % {"low": low, "high": high}
            )

    return check


def _yes_no(path: str, value: Any) -> None:
    if value not in (True, False, "yes", "no", "true", "false"):
        raise NoNetworkConfig(path, _("true or false belongs here."))


def _mac(path: str, value: Any) -> None:
    if not isinstance(value, str) or not _MAC.fullmatch(value):
        raise NoNetworkConfig(path, _('a MAC address belongs here, such as "52:54:00:12:34:56", in quotes.'))


def _address(path: str, value: Any) -> None:
    try:
        ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise NoNetworkConfig(path, _("an IP address belongs here, such as 192.0.2.1.")) from None


def _address_or_network(path: str, value: Any) -> None:
    try:
        ipaddress.ip_interface(value if isinstance(value, str) else "")
    except ValueError:
        raise NoNetworkConfig(path, _("an IP address belongs here, such as 192.0.2.10 or 192.0.2.10/24.")) from None


def _with_prefix(path: str, value: Any) -> None:
    if isinstance(value, dict) and len(value) == 1:  # netplan's options of an address
        (value,) = value
    if not isinstance(value, str) or "/" not in value:
        raise NoNetworkConfig(path, _("an IP address with its prefix belongs here, such as 192.0.2.10/24."))
    _address_or_network(path, value)


def _target(path: str, value: Any) -> None:
    if value != "default":
        _address_or_network(path, value)


def _one_of(*words: str) -> Check:
    def check(path: str, value: Any) -> None:
        if value not in words:
            raise NoNetworkConfig(path, _("one of these belongs here: %(words)s.") % {"words": ", ".join(words)})

    return check


def _each(item: Check) -> Check:
    def check(path: str, value: Any) -> None:
        if not isinstance(value, list):
            raise NoNetworkConfig(path, _("a list belongs here: lines that begin with “- ”."))
        for number, each in enumerate(value):
            item(f"{path}[{number}]", each)

    return check


def _one_or_each(item: Check) -> Check:
    def check(path: str, value: Any) -> None:
        (_each(item) if isinstance(value, list) else item)(path, value)

    return check


def _or_none(item: Check) -> Check:
    def check(path: str, value: Any) -> None:
        if value is not None:
            item(path, value)

    return check


def _fields(known: Mapping[str, Check], *, required: tuple[str, ...] = ()) -> Check:
    def check(path: str, value: Any) -> None:
        found = _mapping_at(path, value)
        for name in required:
            if name not in found:
                raise NoNetworkConfig(_below(path, name), _("this is missing."))
        for name, each in found.items():
            if name in known:
                known[name](_below(path, name), each)

    return check


def _devices(device: Check) -> Check:
    def check(path: str, value: Any) -> None:
        for name, each in _mapping_at(path, value).items():
            device(_below(path, name), each)

    return check


def _by_type(kinds: Mapping[str, Check]) -> Check:
    def check(path: str, value: Any) -> None:
        kind = _mapping_at(path, value).get("type")
        _one_of(*kinds)(_below(path, "type"), kind)
        kinds[str(kind)](path, value)

    return check


def _only(names: tuple[str, ...], check: Check) -> Check:
    """The same, and nothing else by name: a type of devices that is misspelt would configure none."""

    def checked(path: str, value: Any) -> None:
        for name in _mapping_at(path, value):
            if name not in names:
                raise NoNetworkConfig(
                    _below(path, name), _("this is not known here. Known are: %(names)s.") % {"names": ", ".join(names)}
                )
        check(path, value)

    return checked


_MTU = _number(68, 2**31 - 1)
_METRIC = _number(0, 2**32 - 1)
_VLAN_ID = _number(0, 4094)

_DEVICE_2: Mapping[str, Check] = {
    "dhcp4": _yes_no,
    "dhcp6": _yes_no,
    "dhcp4-overrides": _fields({"route-metric": _METRIC}),
    "dhcp6-overrides": _fields({"route-metric": _METRIC}),
    "addresses": _each(_with_prefix),
    "gateway4": _address,
    "gateway6": _address,
    "optional": _yes_no,
    "wakeonlan": _yes_no,
    "mtu": _MTU,
    "nameservers": _fields({"addresses": _each(_address), "search": _each(_words)}),
    "routes": _each(_fields({"to": _target, "via": _address, "metric": _METRIC}, required=("to",))),
    "match": _fields({"name": _words, "macaddress": _mac, "driver": _one_or_each(_words)}),
    "set-name": _words,
    "interfaces": _each(_words),
    "parameters": _fields({}),
    "id": _VLAN_ID,
    "link": _words,
}
_TYPES_2 = ("ethernets", "bonds", "bridges", "vlans")
_OF_NETPLAN = ("wifis", "modems", "tunnels", "vrfs", "dummy-devices", "virtual-ethernets", "openvswitch", "nm-devices")
_ANY_2 = _devices(_fields(_DEVICE_2))
_VERSION_2 = _only(
    ("version", "renderer", *_TYPES_2, *_OF_NETPLAN),
    _fields(
        {
            "renderer": _one_of("networkd", "NetworkManager", "sriov"),
            **dict.fromkeys(_TYPES_2, _ANY_2),
            "vlans": _devices(_fields(_DEVICE_2, required=("id", "link"))),
        }
    ),
)

_ROUTE_1: Mapping[str, Check] = {
    "destination": _address_or_network,
    "network": _address_or_network,
    "gateway": _address,
    "metric": _METRIC,
}
_SUBNET_1 = _fields(
    {
        "type": _one_of(
            *("dhcp", "dhcp4", "dhcp6", "static", "static6", "manual"),
            *("ipv6_dhcpv6-stateful", "ipv6_dhcpv6-stateless", "ipv6_slaac"),
        ),
        "control": _one_of("manual", "auto", "hotplug"),
        "address": _address_or_network,
        "gateway": _address,
        "dns_nameservers": _one_or_each(_address),
        "dns_search": _one_or_each(_words),
        "routes": _each(_fields(_ROUTE_1, required=("gateway",))),
        "metric": _METRIC,
    },
    required=("type",),
)
_DEVICE_1: Mapping[str, Check] = {
    "name": _words,
    "mac_address": _mac,
    "subnets": _each(_SUBNET_1),
    "params": _fields({}),
    "bond_interfaces": _each(_words),
    "bridge_interfaces": _each(_words),
    "vlan_link": _words,
    "vlan_id": _VLAN_ID,
}
_NAMED = ("name",)
_VERSION_1 = _only(
    ("version", "config"),
    _fields(
        {
            "config": _each(
                _by_type(
                    {
                        "physical": _fields({**_DEVICE_1, "mtu": _or_none(_MTU)}, required=_NAMED),
                        "loopback": _fields(_DEVICE_1, required=_NAMED),
                        "infiniband": _fields(_DEVICE_1, required=_NAMED),
                        "bond": _fields({**_DEVICE_1, "mtu": _MTU}, required=_NAMED),
                        "bridge": _fields(_DEVICE_1, required=(*_NAMED, "bridge_interfaces")),
                        "vlan": _fields({**_DEVICE_1, "mtu": _MTU}, required=(*_NAMED, "vlan_link", "vlan_id")),
                        "nameserver": _fields(
                            {"address": _one_or_each(_address), "search": _one_or_each(_words)}, required=("address",)
                        ),
                        "route": _fields(_ROUTE_1, required=("gateway",)),
                    }
                )
            )
        },
        required=("config",),
    ),
)
