"""A network config of cloud-init's is let through; of another text is said where it is wrong."""

from __future__ import annotations

import pytest
import yaml

from vms.network_config import NoNetworkConfig, network_config_check

GOOD = {
    "the least": "version: 2",
    "switched off": "network: {config: disabled}",
    "below network": "network: {version: 2, ethernets: {eth0: {dhcp4: true}}}",
    "version 2": """
version: 2
renderer: networkd
ethernets:
  id0:
    match: {macaddress: "52:54:00:12:34:56", driver: [virtio_net, e1000e]}
    set-name: wan
    wakeonlan: true
    dhcp4: "yes"
    dhcp6: no
    dhcp4-overrides: {use-dns: false, route-metric: 200}
    addresses: [192.0.2.10/24, "2001:db8::10/64", {192.0.2.11/24: {label: "wan:1"}}]
    gateway4: 192.0.2.1
    gateway6: "2001:db8::1"
    mtu: 1500
    nameservers: {search: [example.org], addresses: [192.0.2.53, "2001:db8::53"]}
    routes: [{to: default, via: 192.0.2.1}, {to: 198.51.100.0/24, via: 192.0.2.2, metric: 3}, {to: 198.51.100.9}]
    routing-policy: [{from: 192.0.2.0/24, table: 101}]
bonds: {bond0: {interfaces: [id0], parameters: {mode: active-backup}}}
bridges: {br0: {interfaces: [bond0], dhcp4: true, parameters: {stp: false}}}
vlans: {vlan15: {id: 15, link: id0, addresses: [10.3.99.5/24]}}
tunnels: {he: {mode: sit, remote: 192.0.2.99}}
""",
    "version 1": """
version: 1
config:
- {type: physical, name: eth0, mac_address: "c0:d6:9f:2c:e8:80", mtu: null, subnets: [{type: dhcp4}, {type: ipv6_slaac}]}
- {type: bond, name: bond0, bond_interfaces: [eth0, eth1], params: {bond-mode: active-backup}, mtu: 9000}
- {type: bridge, name: br0, bridge_interfaces: [bond0], params: {bridge_stp: "off"}, subnets: [{type: manual}]}
- {type: vlan, name: eth0.101, vlan_link: eth0, vlan_id: 101}
- type: physical
  name: eth1
  subnets:
  - type: static
    address: 192.168.23.14/27
    gateway: 192.168.23.1
    control: auto
    dns_nameservers: [192.168.23.2]
    dns_search: [example.org]
    routes: [{network: 198.51.100.0, netmask: 255.255.255.0, gateway: 192.168.23.2, metric: 2}]
- {type: nameserver, address: [192.168.23.2, "8.8.8.8"], search: [example.org]}
- {type: nameserver, address: 192.168.23.2}
- {type: route, destination: 192.168.24.0/24, gateway: 192.168.24.1, metric: 3}
""",
}


@pytest.mark.parametrize("what", GOOD)
def test_what_cloud_init_documents_is_let_through(what: str) -> None:
    network_config_check(yaml.safe_load(GOOD[what]))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("ethernets: {}", "version: "),
        ("version: 3", "version: "),
        ("version: true", "version: "),
        ("network: [1]", "network: "),
        ("network: {ethernets: {}}", "network.version: "),
        ("version: 2\nethernet: {}", "ethernet: "),
        ("version: 2\nrenderer: ifupdown", "renderer: "),
        ("version: 2\nethernets: [eth0]", "ethernets: "),
        ("version: 2\nethernets: {eth0: dhcp}", "ethernets.eth0: "),
        ("version: 2\nethernets: {eth0: {dhcp4: maybe}}", "ethernets.eth0.dhcp4: "),
        ("version: 2\nethernets: {eth0: {addresses: 192.0.2.1/24}}", "ethernets.eth0.addresses: "),
        ("version: 2\nethernets: {eth0: {addresses: [192.0.2.1/24, 192.0.2.2]}}", "ethernets.eth0.addresses[1]: "),
        ("version: 2\nethernets: {eth0: {addresses: [192.0.2.300/24]}}", "ethernets.eth0.addresses[0]: "),
        ("version: 2\nethernets: {eth0: {addresses: [192.0.2.1/33]}}", "ethernets.eth0.addresses[0]: "),
        ("version: 2\nethernets: {eth0: {gateway4: 192.0.2.1/24}}", "ethernets.eth0.gateway4: "),
        ("version: 2\nethernets: {eth0: {mtu: big}}", "ethernets.eth0.mtu: "),
        ("version: 2\nethernets: {eth0: {match: {macaddress: 1}}}", "ethernets.eth0.match.macaddress: "),
        ("version: 2\nethernets: {eth0: {nameservers: [192.0.2.1]}}", "ethernets.eth0.nameservers: "),
        (
            "version: 2\nethernets: {eth0: {nameservers: {addresses: [ns]}}}",
            "ethernets.eth0.nameservers.addresses[0]: ",
        ),
        ("version: 2\nethernets: {eth0: {routes: [{via: 192.0.2.1}]}}", "ethernets.eth0.routes[0].to: "),
        ("version: 2\nethernets: {eth0: {routes: [{to: all}]}}", "ethernets.eth0.routes[0].to: "),
        ("version: 2\nvlans: {v: {id: 5000, link: eth0}}", "vlans.v.id: "),
        ("version: 2\nvlans: {v: {id: 5}}", "vlans.v.link: "),
        ("version: 2\nbonds: {b: {interfaces: eth0}}", "bonds.b.interfaces: "),
        ("version: 1", "config: "),
        ("version: 1\nconfig: {}", "config: "),
        ("version: 1\nconfig: [eth0]", "config[0]: "),
        ("version: 1\nconfig: [{name: eth0}]", "config[0].type: "),
        ("version: 1\nconfig: [{type: ethernet, name: eth0}]", "config[0].type: "),
        ("version: 1\nconfig: [{type: [physical]}]", "config[0].type: "),
        ("version: 1\nconfig: [{type: physical}]", "config[0].name: "),
        ("version: 1\nconfig: [{type: physical, name: e, mac_address: x}]", "config[0].mac_address: "),
        ("version: 1\nconfig: [{type: physical, name: e, subnets: [{address: x}]}]", "config[0].subnets[0].type: "),
        ("version: 1\nconfig: [{type: physical, name: e, subnets: [{type: dhcp5}]}]", "config[0].subnets[0].type: "),
        (
            "version: 1\nconfig: [{type: physical, name: e, subnets: [{type: static, address: x}]}]",
            "config[0].subnets[0].address: ",
        ),
        ("version: 1\nconfig: [{type: vlan, name: v, vlan_id: 1}]", "config[0].vlan_link: "),
        ("version: 1\nconfig: [{type: bridge, name: b}]", "config[0].bridge_interfaces: "),
        ("version: 1\nconfig: [{type: nameserver}]", "config[0].address: "),
        ("version: 1\nconfig: [{type: route, destination: 192.0.2.0/24}]", "config[0].gateway: "),
    ],
)
def test_where_it_is_wrong_is_said(text: str, path: str) -> None:
    with pytest.raises(NoNetworkConfig) as refused:
        network_config_check(yaml.safe_load(text))
    assert str(refused.value).startswith(path)
    assert str(refused.value).endswith(".")
