"""The guest's definition, and the mark that tells our guests from everybody else's."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from deploy.local.domain_xml import Graphics, GuestSpec, Nic, domain_kernel, domain_purpose, domain_uuid, domain_xml

UUID = "6f2c3c5e-8a35-4f0e-9d0a-0d2f5b1f7a11"


def spec(**changes: object) -> GuestSpec:
    fields: dict[str, object] = {"name": "demo", "kernel": Path("/k"), "initramfs": Path("/i"), "uuid": UUID}
    return GuestSpec(**{**fields, **changes})


def tree(**changes: object) -> etree._Element:
    return etree.fromstring(domain_xml(spec(**changes)))


def test_the_default_guest_is_emulated_small_and_reachable_through_libvirt_only():
    domain = tree()

    assert domain.get("type") == "qemu"
    assert int(domain.findtext("memory") or 0) <= 192
    assert [listen.get("type") for listen in domain.iterfind("devices/graphics/listen")] == ["none"]
    assert [link.get("state") for link in domain.iterfind("devices/interface/link")] == ["down"]
    assert (domain.findtext("os/cmdline") or "").split().index("console=tty0") == 1


def test_text_cannot_become_structure():
    hostile = "x</name><devices><disk/></devices><name>"
    domain = tree(name=hostile, hostname="a\"b'c", disk=Path("/x'/><disk"))

    assert domain.findtext("name") == hostile
    assert len(domain.findall("devices/disk")) == 1
    assert domain.find("devices/disk/source").get("file") == "/x'/><disk"


def test_displays_are_made_as_asked():
    graphics = (
        Graphics(kind="spice"),
        Graphics(password="secret"),
        Graphics(listen="tcp", address="::1"),
        Graphics(listen="socket"),
    )
    spice, password, tcp, socket = tree(graphics=graphics).iterfind("devices/graphics")

    assert spice.get("type") == "spice"
    assert password.get("passwd") == "secret"
    assert tcp.find("listen").attrib == {"type": "address", "address": "::1"}
    assert socket.find("listen").get("type") == "socket"


def test_nics_keep_their_addresses_and_links():
    nics = tree(nics=(Nic(mac="52:54:00:00:00:01"), Nic(link_up=True))).findall("devices/interface")

    assert [nic.find("link").get("state") for nic in nics] == ["down", "up"]
    assert nics[0].find("mac").get("address") == "52:54:00:00:00:01"


def test_only_marked_domains_are_ours():
    xml = domain_xml(spec(purpose="test"))

    assert domain_purpose(xml) == "test"
    assert domain_uuid(xml) == UUID
    assert domain_kernel(xml) == Path("/k")
    assert domain_purpose("<domain><name>demo</name><metadata/></domain>") is None
