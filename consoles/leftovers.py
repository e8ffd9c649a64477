"""What an agent still has of a session whose connection is gone. For threads: each asks the host."""

from __future__ import annotations

import contextlib
import time
import uuid

from eve_agent.wire.close import CloseCode

from common.errors import EveError
from hypervisors.client import AgentClient
from vms.models import Vm

LEFT_OVER_SECONDS = 4.0
"""How long an agent may take to let go of a session; a close takes two seconds where the other side says nothing."""
LAST_WORD_SECONDS = 2.0


def left_over_end(vm: Vm, session_id: uuid.UUID) -> None:
    """Ends what a killed process of Eve, or a connection that broke, left open at the agent; waits until it is gone there."""
    until = time.monotonic() + LEFT_OVER_SECONDS
    with contextlib.suppress(EveError), AgentClient(vm.hypervisor, seconds=LEFT_OVER_SECONDS) as agent:
        while time.monotonic() < until:
            agent.console_end(vm.pk, session_id)  # refused once there is none
            time.sleep(0.1)


def last_word(vm_id: uuid.UUID, session_id: uuid.UUID) -> CloseCode | None:
    """Why the agent ended a session; None where it did not, does not remember, or does not answer."""
    vm = Vm.objects.select_related("hypervisor").filter(pk=vm_id).first()
    if vm is not None:
        with contextlib.suppress(EveError), AgentClient(vm.hypervisor, seconds=LAST_WORD_SECONDS) as agent:
            return agent.console_status(vm.pk, session_id).ended
    return None
