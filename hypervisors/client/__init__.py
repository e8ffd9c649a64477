"""What Eve asks of an agent: the wire contract as methods. Synchronous: call it from a thread.

============  =====================================================================
``core``      the ``with`` block, one request and its answer, refusals
``host``      facts, domains and their state, consoles, certificates, counters, jobs
``machines``  making, changing and deleting domains, snapshots, guests' agents
``storage``   pools, images, disks, seeds
============  =====================================================================
"""

from .core import clean_words, contract_mismatch
from .host import HostRequests
from .machines import MachineRequests
from .storage import StorageRequests

__all__ = ["AgentClient", "clean_words", "contract_mismatch"]


class AgentClient(HostRequests, MachineRequests, StorageRequests):
    """One agent, within a ``with`` block, by the hypervisor's row as it is now.

    Every method raises :class:`~hypervisors.errors.AgentError`: HostAway, AgentTimeout, NotTrusted, ContractMismatch,
    BadAnswer, LibvirtAway, or AgentRefused with the agent's own code.
    """
