"""Capabilities, pool and network XML."""

from __future__ import annotations

import pytest
from eve_agent.driver.xml import MalformedXml, read_capabilities, read_network_bridge, read_pool_kind
from eve_agent.wire.host import NumaNode

CAPABILITIES = """
<capabilities>
  <host>
    <cpu><arch>x86_64</arch><model>EPYC-Rome</model><vendor>AMD</vendor></cpu>
    <topology><cells num='2'>
      <cell id='0'>
        <memory unit='KiB'>1024</memory>
        <cpus num='2'><cpu id='2' socket_id='0'/><cpu id='0' socket_id='0'/></cpus>
      </cell>
      <cell id='1'><memory unit='KiB'>2048</memory><cpus num='1'><cpu id='1'/></cpus></cell>
    </cells></topology>
  </host>
  <guest><arch name='i686'/></guest>
</capabilities>
"""


def test_capabilities():
    host = read_capabilities(CAPABILITIES)

    assert (host.architecture, host.cpu_model) == ("x86_64", "EPYC-Rome")
    assert host.numa_nodes == (
        NumaNode(node_id=0, memory_bytes=2**20, cpu_ids=(0, 2)),
        NumaNode(node_id=1, memory_bytes=2**21, cpu_ids=(1,)),
    )


def test_a_host_that_libvirt_knows_little_of():
    host = read_capabilities("<capabilities><host><cpu><arch>riscv64</arch></cpu></host></capabilities>")

    assert (host.architecture, host.cpu_model, host.numa_nodes) == ("riscv64", "", ())


def test_pools_and_networks():
    assert read_pool_kind("<pool type='logical'><name>a</name></pool>") == "logical"
    assert read_network_bridge("<network><name>a</name><bridge name='virbr0' stp='on'/></network>") == "virbr0"
    assert read_network_bridge("<network><name>a</name><forward mode='hostdev'/></network>") == ""
    with pytest.raises(MalformedXml):
        read_pool_kind("<network/>")
