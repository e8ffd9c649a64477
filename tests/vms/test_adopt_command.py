"""``manage.py vm_adopt``."""

from __future__ import annotations

import io
import uuid

import pytest
from django.core.management import CommandError, call_command
from eve_agent.wire import codec
from eve_agent.wire.domain import Graphics, GraphicsKind

from accounts.models import AuditEvent
from tests.vms.conftest import make_domain
from vms.management.commands import vm_adopt as command
from vms.models import DiscoveredDomain, Vm


def adopt(domain_uuid, **options):
    out, err = io.StringIO(), io.StringIO()
    call_command("vm_adopt", str(domain_uuid), stdout=out, stderr=err, **{"wait": 0, **options})
    return out.getvalue(), err.getvalue()


@pytest.fixture
def discovered(cast):
    domain = make_domain("eve-demo")
    return DiscoveredDomain.objects.create(
        hypervisor=cast.hypervisor_here, uuid=domain.uuid, name="eve-demo", facts=codec.to_plain(domain)
    )


def test_it_goes_into_the_users_personal_project_and_again_changes_nothing(cast, discovered):
    out, err = adopt(discovered.uuid, user="OLIVIA@acme.example")
    assert "eve-demo" in out
    assert err == ""
    assert Vm.objects.get(pk=discovered.uuid).project == cast.owner.personal_project
    assert adopt(discovered.uuid, user="olivia@acme.example")[0] == out
    event = AuditEvent.objects.get(action="vm.adopt")
    assert (event.actor, event.actor_label) == (None, "manage.py vm_adopt")


def test_it_goes_into_a_project(cast, discovered):
    adopt(discovered.uuid, project=str(cast.acme.pk))
    assert Vm.objects.get(pk=discovered.uuid).project == cast.acme
    with pytest.raises(CommandError, match="belongs to project Acme already"):
        adopt(discovered.uuid, user="otto@otto.example")


def test_it_waits_until_a_host_reports_it(cast, monkeypatch):
    domain = make_domain("eve-demo")
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            DiscoveredDomain.objects.create(
                hypervisor=cast.hypervisor_here, uuid=domain.uuid, name="eve-demo", facts=codec.to_plain(domain)
            )

    monkeypatch.setattr(command.time, "sleep", sleep)
    adopt(domain.uuid, user="olivia@acme.example", wait=30)
    assert len(slept) == 3


def test_what_no_host_reports_is_said(cast):
    with pytest.raises(CommandError, match="No host has reported"):
        adopt(uuid.uuid4(), user="olivia@acme.example")


def test_a_conflict_is_not_adopted(cast):
    DiscoveredDomain.objects.create(
        hypervisor=cast.hypervisor_there, uuid=cast.acme_vm.pk, name="copy", is_conflict=True
    )
    with pytest.raises(CommandError, match="belongs to project Acme already"):
        adopt(cast.acme_vm.pk, user="otto@otto.example")


def test_unknown_users_and_projects_are_said(cast, discovered):
    with pytest.raises(CommandError, match="no user"):
        adopt(discovered.uuid, user="nobody@example.org")
    with pytest.raises(CommandError, match="no project"):
        adopt(discovered.uuid, project=str(uuid.uuid4()))


def test_an_open_display_is_warned_of(cast, discovered):
    exposed = make_domain(graphics=(Graphics(kind=GraphicsKind.VNC, index=0, listen="0.0.0.0", is_exposed=True),))
    DiscoveredDomain.objects.update(facts=codec.to_plain(exposed))
    assert "Warning" in adopt(discovered.uuid, user="olivia@acme.example")[1]
