"""The one cast of all tests: who they are and what is theirs.

========== =================== =====================================================
Olivia     owner               of project Acme, whose VM runs on a host of site "here"
Oscar      operator            in Acme, Olivia's teammate
Vera       viewer              in Acme
Otto       outsider            owner of project Ottos, whose VM runs at site "there"
Hera       staff_here          staff, limited to site "here"
Theo       staff_there         staff, limited to site "there"
Stella     staff_everywhere    staff of every site, no superuser
Sue        superuser
========== =================== =====================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django.test import Client
    from rest_framework.test import APIClient

    from accounts.models import Project, User
    from hypervisors.models import Hypervisor, Site
    from vms.models import Vm


@dataclass(frozen=True)
class Cast:
    """Everybody and everything, in the database."""

    owner: User
    operator: User
    viewer: User
    outsider: User
    staff_here: User
    staff_there: User
    staff_everywhere: User
    superuser: User
    acme: Project
    ottos: Project
    here: Site
    there: Site
    hypervisor_here: Hypervisor
    hypervisor_there: Hypervisor
    acme_vm: Vm
    ottos_vm: Vm

    @property
    def everybody(self) -> dict[str, User]:
        """All users by part."""
        parts = (
            "owner",
            "operator",
            "viewer",
            "outsider",
            "staff_here",
            "staff_there",
            "staff_everywhere",
            "superuser",
        )
        return {part: getattr(self, part) for part in parts}

    def token(self, user: User) -> str:
        """The text of a new login token."""
        from accounts.services import token_create

        return token_create(user=user, name="tests")[0]

    def api(self, user: User | None = None) -> APIClient:
        """An API client with a login token of `user`, or with none."""
        from rest_framework.test import APIClient

        client = APIClient()
        if user is not None:
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.token(user)}")
        return client

    def pages(self, user: User | None = None, *, enforce_csrf_checks: bool = False) -> Client:
        """A browser, signed in as `user` or not at all."""
        from django.test import Client

        client = Client(enforce_csrf_checks=enforce_csrf_checks)
        if user is not None:
            client.force_login(user)
        return client


def make_cast() -> Cast:
    """Makes everybody and everything."""
    from tests import factories as make

    make.offer_sizes()
    limited = {"is_staff": True, "is_site_limited": True}
    owner, operator, viewer, outsider, staff_here, staff_there, staff_everywhere, superuser = make.make_people(
        ("olivia@acme.example", "Olivia Owner", {}),
        ("oscar@acme.example", "Oscar Operator", {}),
        ("vera@acme.example", "Vera Viewer", {}),
        ("otto@otto.example", "Otto Outsider", {}),
        ("hera@eve.example", "Hera Here", limited),
        ("theo@eve.example", "Theo There", limited),
        ("stella@eve.example", "Stella Staff", {"is_staff": True}),
        ("sue@eve.example", "Sue Super", {"is_staff": True, "is_superuser": True}),
    )
    acme = make.make_project("Acme", owner=owner, operator=operator, viewer=viewer)
    ottos = make.make_project("Ottos", owner=outsider)
    here = make.make_site("here", (staff_here,))
    there = make.make_site("there", (staff_there,))
    hypervisor_here = make.make_hypervisor(here, "hv-here")
    hypervisor_there = make.make_hypervisor(there, "hv-there")
    return Cast(
        owner=owner,
        operator=operator,
        viewer=viewer,
        outsider=outsider,
        staff_here=staff_here,
        staff_there=staff_there,
        staff_everywhere=staff_everywhere,
        superuser=superuser,
        acme=acme,
        ottos=ottos,
        here=here,
        there=there,
        hypervisor_here=hypervisor_here,
        hypervisor_there=hypervisor_there,
        acme_vm=make.make_vm(acme, hypervisor_here, "acme-web"),
        ottos_vm=make.make_vm(ottos, hypervisor_there, "otto-mail"),
    )


@pytest.fixture
def cast(db: None) -> Cast:
    """The cast, in a transaction that is rolled back. With ``transactional_db`` beside it, really committed."""
    return make_cast()
