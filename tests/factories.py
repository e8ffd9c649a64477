"""Rows for tests, made the way Eve makes them; names and addresses are unique unless given."""

from __future__ import annotations

import functools
import itertools
import uuid
from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth.hashers import make_password

from accounts.models import Membership, Project, Role, User
from hypervisors.models import Hypervisor, HypervisorState, Site
from vms.models import Vm, VmState

PASSWORD = "correct horse battery 7"
"""Everybody's."""

_number = itertools.count(1)


@functools.cache
def password_hash() -> str:
    """:data:`PASSWORD`, hashed once: a slow hash for each user of each test would be most of the tests' time."""
    return make_password(PASSWORD)


def make_user(email: str = "", name: str = "", **fields: Any) -> User:
    """A user with :data:`PASSWORD`; like every user they get a personal project."""
    email = email or f"user{next(_number)}@example.org"
    return User.objects.create(
        email=email, name=name or email.split("@")[0].title(), password=password_hash(), **fields
    )


def make_people(*people: tuple[str, str, dict[str, bool]]) -> list[User]:
    """Users by e-mail address, name and further fields: as by :func:`make_user`, but all in three queries."""
    users = [User(email=email, name=name, password=password_hash(), **fields) for email, name, fields in people]
    personal = [Project(personal_owner=user, name=user.name) for user in users]
    members = [Membership(project=project, user=project.personal_owner, role=Role.OWNER) for project in personal]
    for model, rows in ((User, users), (Project, personal), (Membership, members)):
        model._default_manager.bulk_create(rows)
    return users


def make_project(name: str = "", **members: User) -> Project:
    """A project; ``make_project("Acme", owner=olivia, viewer=vera)``."""
    project = Project.objects.create(name=name or f"Project {next(_number)}")
    if members:
        Membership.objects.bulk_create(
            Membership(project=project, user=user, role=Role(role)) for role, user in members.items()
        )
    return project


def make_member(project: Project, user: User, role: Role = Role.OPERATOR) -> Membership:
    """A membership."""
    return Membership.objects.create(project=project, user=user, role=role)


def offer_sizes() -> None:
    """The sizes that a fresh installation offers; a test with real transactions leaves an empty table behind."""
    import_module("vms.migrations.0003_image_limits").sizes_offer(apps, None)


def make_site(name: str = "", staff: tuple[User, ...] = ()) -> Site:
    """A site."""
    site = Site.objects.create(name=name or f"site-{next(_number)}")
    site.staff.add(*staff)
    return site


def make_hypervisor(site: Site, name: str = "", **fields: Any) -> Hypervisor:
    """A hypervisor that is online, at an address where nothing answers."""
    defaults = {
        "address": "127.0.0.1:1",
        "state": HypervisorState.ONLINE,
        "certificate_fingerprint": uuid.uuid4().hex * 2,
    }
    return Hypervisor.objects.create(site=site, name=name or f"hv-{next(_number)}", **{**defaults, **fields})


def make_vm(project: Project, hypervisor: Hypervisor, name: str = "", **fields: Any) -> Vm:
    """A running VM with 1 vCPU and 256 MiB."""
    defaults = {"id": uuid.uuid4(), "vcpus": 1, "memory_bytes": 256 * 1024**2, "state": VmState.RUNNING}
    return Vm.objects.create(
        project=project, hypervisor=hypervisor, name=name or f"vm-{next(_number)}", **{**defaults, **fields}
    )
