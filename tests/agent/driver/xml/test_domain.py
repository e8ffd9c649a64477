"""Domain XML to the wire's domain."""

from __future__ import annotations

import uuid

import pytest
from eve_agent.driver.xml import DomainParts, DomainStatus, MalformedXml, read_domain
from eve_agent.wire.domain import Disk, DomainState, Graphics, GraphicsKind, Nic

UUID = uuid.UUID("c7a5fdbd-edaf-9455-926a-d65c16db1809")
RUNNING = DomainStatus(state=DomainState.RUNNING, reason="booted", disk_capacities={"vda": 7, "sda": 9})

FULL = f"""
<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web-1</name>
  <uuid>{UUID}</uuid>
  <metadata><x:y xmlns:x='urn:x'><name>not the name</name><uuid>nor this</uuid></x:y></metadata>
  <memory unit='KiB'>4194304</memory>
  <currentMemory unit='KiB'>2097152</currentMemory>
  <vcpu placement='static' current='2'>4</vcpu>
  <os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='/images/a.qcow2' index='2'/>
      <backingStore type='file'><source file='/images/base.qcow2'/></backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='sda' bus='sata'/><readonly/></disk>
    <interface type='network'>
      <mac address='52:54:00:00:00:01'/><source network='default' bridge='virbr0'/><model type='virtio'/>
    </interface>
    <interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br0'/><model type='e1000'/></interface>
    <interface type='direct'><mac address='52:54:00:00:00:03'/><source dev='eno1' mode='bridge'/></interface>
    <interface type='user'><mac address='52:54:00:00:00:04'/></interface>
    <serial type='pty'><target port='0'/></serial>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>
    <graphics type='spice' port='5900' listen='127.0.0.1'><listen type='address' address='127.0.0.1'/></graphics>
    <graphics type='vnc'><listen type='none'/></graphics>
    <graphics type='egl-headless'/>
    <video><model type='virtio'/></video>
  </devices>
</domain>
"""


def read(devices: str = "", rest: str = "", status: DomainStatus = RUNNING) -> DomainParts:
    return read_domain(f"<domain><name>a</name><uuid>{UUID}</uuid>{rest}<devices>{devices}</devices></domain>", status)


def test_everything():
    parts = read_domain(FULL, RUNNING)
    domain = parts.domain

    assert (domain.uuid, domain.name, domain.state, domain.reason) == (UUID, "web-1", DomainState.RUNNING, "booted")
    assert (domain.vcpus, domain.vcpus_max) == (2, 4)
    assert (domain.memory_bytes, domain.memory_max_bytes) == (2 * 2**30, 4 * 2**30)
    assert domain.firmware == "uefi"
    assert domain.disks == (
        Disk(target="vda", bus="virtio", format="qcow2", source="/images/a.qcow2", capacity_bytes=7),
        Disk(target="sda", device="cdrom", bus="sata", format="raw", capacity_bytes=9, is_read_only=True),
    )
    assert domain.nics == (
        Nic(mac="52:54:00:00:00:01", kind="network", source="default", model="virtio"),
        Nic(mac="52:54:00:00:00:02", kind="bridge", source="br0", model="e1000"),
        Nic(mac="52:54:00:00:00:03", kind="direct", source="eno1"),
        Nic(mac="52:54:00:00:00:04", kind="user"),
    )
    assert domain.graphics == (
        Graphics(kind=GraphicsKind.SPICE, index=0, listen="127.0.0.1"),
        Graphics(kind=GraphicsKind.VNC, index=1),
        Graphics(kind=GraphicsKind.UNKNOWN, index=2),
    )
    assert domain.has_serial
    assert parts.has_guest_agent
    assert parts.has_screen


def test_next_to_nothing():
    parts = read_domain(f"<domain><uuid>{UUID}</uuid></domain>", DomainStatus(state=DomainState.OFF))

    assert (parts.domain.vcpus, parts.domain.vcpus_max, parts.domain.firmware) == (1, 1, "bios")
    assert not parts.domain.has_serial
    assert not parts.has_guest_agent
    assert not parts.has_screen


@pytest.mark.parametrize("document", ["<domain/>", "<domain><uuid>no</uuid></domain>", "<x/>", "<domain"])
def test_without_an_id_it_is_refused(document: str):
    with pytest.raises(MalformedXml):
        read_domain(document, RUNNING)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<source file='/a b/&amp;.qcow2'/>", "/a b/&.qcow2"),
        ("<source dev='/dev/sdx'/>", "/dev/sdx"),
        ("<source dir='/srv/fat'/>", "/srv/fat"),
        ("<source pool='shelf' volume='a'/>", "shelf/a"),
        ("<source protocol='rbd' name='pool/a'><host name='mon' port='6789'/></source>", "rbd://mon:6789/pool/a"),
        ("<source protocol='iscsi' name='iqn/1'><host name='2001:db8::1'/></source>", "iscsi://[2001:db8::1]/iqn/1"),
        ("<source protocol='https' name='/a.iso' query='token=secret'><host name='h'/></source>", "https://h/a.iso"),
        ("<source type='unix' path='/run/blk.sock'/>", "/run/blk.sock"),
        ("<source/>", ""),
        ("", ""),
    ],
)
def test_where_a_disk_lies(source: str, expected: str):
    (disk,) = read(f"<disk>{source}<target dev='vda'/></disk>").domain.disks

    assert disk.source == expected
    assert "secret" not in repr(disk)


@pytest.mark.parametrize(
    ("graphics", "listen", "is_exposed"),
    [
        ("<graphics type='vnc'/>", "", False),
        ("<graphics type='vnc' listen='0.0.0.0'/>", "0.0.0.0", True),
        ("<graphics type='vnc'><listen type='socket' socket='/run/x'/></graphics>", "", False),
        ("<graphics type='vnc'><listen type='address'/></graphics>", "", False),
        ("<graphics type='vnc'><listen type='address' address='127.8.8.8'/></graphics>", "127.8.8.8", False),
        ("<graphics type='vnc'><listen type='address' address='::1'/></graphics>", "::1", False),
        ("<graphics type='vnc'><listen type='address' address='localhost'/></graphics>", "localhost", False),
        (
            "<graphics type='vnc'><listen type='address' address='::ffff:127.0.0.1'/></graphics>",
            "::ffff:127.0.0.1",
            False,
        ),
        (
            "<graphics type='vnc'><listen type='address' address='::ffff:10.0.0.1'/></graphics>",
            "::ffff:10.0.0.1",
            True,
        ),
        ("<graphics type='vnc'><listen type='address' address='::'/></graphics>", "::", True),
        ("<graphics type='vnc'><listen type='address' address='192.0.2.7'/></graphics>", "192.0.2.7", True),
        ("<graphics type='vnc'><listen type='address' address='host.example'/></graphics>", "host.example", True),
        ("<graphics type='vnc'><listen type='network' network='n' address='10.0.0.1'/></graphics>", "10.0.0.1", True),
        (
            "<graphics type='spice'><listen type='address' address='127.0.0.1'/>"
            "<listen type='address' address='2001:db8::1'/></graphics>",
            "2001:db8::1",
            True,
        ),
    ],
)
def test_what_is_exposed(graphics: str, listen: str, is_exposed: bool):
    (device,) = read(graphics).domain.graphics

    assert (device.listen, device.is_exposed) == (listen, is_exposed)


@pytest.mark.parametrize(
    ("rest", "firmware"),
    [
        ("<os><loader type='pflash'>/x</loader></os>", "uefi"),
        ("<os><loader type='rom'>/x</loader></os>", "bios"),
        ("<os firmware='bios'/>", "bios"),
    ],
)
def test_firmware(rest: str, firmware: str):
    assert read(rest=rest).domain.firmware == firmware


@pytest.mark.parametrize(
    "channel",
    [
        "<channel><target name='org.qemu.guest_agent.0' state='disconnected'/></channel>",
        "<channel><target name='org.qemu.guest_agent.0'/></channel>",
        "<channel><target name='com.redhat.spice.0' state='connected'/></channel>",
    ],
)
def test_an_agent_that_is_not_there(channel: str):
    assert not read(channel).has_guest_agent


def test_a_video_device_of_type_none_is_no_screen():
    assert not read("<video><model type='none'/></video>").has_screen
    assert read("<console type='pty'/>").domain.has_serial
