"""Eve and agents whose contract is one version older or newer, as they were recorded."""

from __future__ import annotations

import uuid

import pytest
from eve_agent.wire.console import ConsoleMode
from eve_agent.wire.domain import DomainState, GraphicsKind, StateAction
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.version import CONTRACT_VERSION

from hypervisors.client import AgentClient
from hypervisors.errors import AgentRefused
from hypervisors.models import Hypervisor, HypervisorState
from tests.hypervisors.conftest import Heard, Serve, eventually
from tests.hypervisors.replay import VERSIONS, recorded, replaying

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_answer_is_understood(version, hypervisor: Hypervisor, serve: Serve):
    record = recorded(version)
    serve(replaying(record))
    domain, off_domain, session = (uuid.UUID(record[name]) for name in ("domain", "off_domain", "session"))
    with AgentClient(hypervisor) as client:
        facts = client.host_facts()
        assert (facts.contract_version, client.contract_version) == (version, version)
        assert facts.cpu.threads_total == 64
        listed = {each.uuid: each.state for each in client.domains()}
        assert (listed[domain], listed[off_domain]) == (DomainState.RUNNING, DomainState.OFF)
        seen = client.domain(domain)
        assert (seen.state, seen.vcpus, seen.is_persistent) == (DomainState.RUNNING, 2, True)
        assert seen.graphics[0].kind is GraphicsKind.VNC
        after = client.change_state(domain, StateAction.SUSPEND, "op")
        assert client.certificate_status().fingerprint
        assert client.console_status(domain, session).mode is ConsoleMode.CONTROL
        assert client.console_set_mode(domain, session, ConsoleMode.VIEW).mode is ConsoleMode.VIEW
        with pytest.raises(AgentRefused) as no_picture:
            client.screenshot(off_domain)
        assert no_picture.value.agent_code is ErrorCode.DOMAIN_OFF
        with pytest.raises(AgentRefused) as unknown:
            client.domain(uuid.UUID(int=1))
    if version > CONTRACT_VERSION:
        assert seen.graphics[1].kind is GraphicsKind.UNKNOWN
        assert after.state is DomainState.UNKNOWN
        assert unknown.value.agent_code is ErrorCode.UNKNOWN
    else:
        assert not seen.is_made_by_eve
        assert after.state is DomainState.PAUSED
        assert unknown.value.agent_code is ErrorCode.DOMAIN_NOT_FOUND


@pytest.mark.parametrize("version", VERSIONS)
def test_what_came_with_this_version_is_refused_by_the_older_and_answered_by_the_newer(
    version, hypervisor: Hypervisor, serve: Serve
):
    serve(replaying(recorded(version)))
    with AgentClient(hypervisor) as client:
        for ask in (client.stats, client.pools):
            if version > CONTRACT_VERSION:
                assert ask()
            else:
                with pytest.raises(AgentRefused, match="Staff can update the agent"):
                    ask()


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_watched_as_any_other(version, hypervisor: Hypervisor, serve: Serve, heard: Heard, watch):
    serve(replaying(recorded(version)))
    watch()
    eventually(lambda: Hypervisor.objects.get(pk=hypervisor.pk).state == HypervisorState.ONLINE)
    assert Hypervisor.objects.get(pk=hypervisor.pk).contract_version == version
    (seen,) = eventually(lambda: heard.of("domain_seen"))
    assert seen["domain"].state is (DomainState.PAUSED if version < CONTRACT_VERSION else DomainState.UNKNOWN)
