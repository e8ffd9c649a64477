"""``manage.py vm_adopt``: makes a domain that a host reports a VM of a project's."""

from __future__ import annotations

import time
import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Project, User
from common.errors import EveError
from common.sentences import gettext as _
from vms.facts import domain_of, exposed_displays
from vms.models import DiscoveredDomain, Vm
from vms.quotas import overdraft_words
from vms.services import vm_adopt

WAIT_SECONDS = 30
POLL_SECONDS = 0.5


class Command(BaseCommand):
    """Adopts a domain."""

    help = _(
        "Make the domain UUID, which a host reports, a virtual machine of a project's. Run again, it changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line's options."""
        parser.add_argument("uuid", type=uuid.UUID, help=_("the domain's libvirt UUID (virsh domuuid NAME)"))
        owner = parser.add_mutually_exclusive_group(required=True)
        owner.add_argument("--user", metavar="EMAIL", help=_("into this user's personal project"))
        owner.add_argument("--project", metavar="ID", type=uuid.UUID, help=_("into this project"))
        parser.add_argument(
            "--wait",
            metavar="SECONDS",
            type=float,
            default=WAIT_SECONDS,
            help=_("how long to wait for a host to report it (%(default)s)"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Waits for the domain, then adopts it. Raises CommandError with the reason where that fails."""
        project = _project(options["user"], options["project"])
        vm = _adopted_already(options["uuid"], project)
        if vm is None:
            discovered = _wait_for(options["uuid"], options["wait"])
            if discovered is None:
                vm = _adopted_already(options["uuid"], project)
                if vm is None:
                    raise CommandError(
                        _(
                            "No host has reported a domain %(uuid)s within %(seconds)g seconds. "
                            "Is its host online (manage.py hypervisor_wait NAME), and is the UUID right?"
                        )
                        % {"uuid": options["uuid"], "seconds": options["wait"]}
                    )
            else:
                try:
                    vm = vm_adopt(discovered=discovered, project=project, user=None)
                except EveError as error:
                    raise CommandError(str(error)) from error
        self.stdout.write(
            _("%(vm)s (%(id)s) belongs to project %(project)s.") % {"vm": vm.name, "id": vm.pk, "project": project.name}
        )
        for words in overdraft_words(project):
            self.stderr.write(_("Warning: %(words)s") % {"words": words})
        if exposed_displays(domain_of(vm.facts)):
            self.stderr.write(
                _(
                    "Warning: the display of %(vm)s listens beyond loopback, where anybody may try its password. "
                    "Eve does not need that: set <listen type='none'/> in its graphics."
                )
                % {"vm": vm.name}
            )


def _project(email: str | None, project_id: uuid.UUID | None) -> Project:
    if email is None:
        project = Project.objects.filter(pk=project_id).first() if project_id else None
        if project is None:
            raise CommandError(_("There is no project %(id)s.") % {"id": project_id})
        return project
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        raise CommandError(_("There is no user %(email)s.") % {"email": email})
    project = Project.objects.filter(personal_owner=user).first()
    if project is None:
        raise CommandError(_("User %(email)s has no personal project.") % {"email": email})
    return project


def _adopted_already(vm_id: uuid.UUID, project: Project) -> Vm | None:
    vm = Vm.objects.select_related("project").filter(pk=vm_id).first()
    if vm is not None and vm.project_id != project.pk:
        raise CommandError(
            _("%(vm)s belongs to project %(project)s already.") % {"vm": vm.name, "project": vm.project.name}
        )
    return vm


def _wait_for(vm_id: uuid.UUID, seconds: float) -> DiscoveredDomain | None:
    until = time.monotonic() + seconds
    while True:
        found = DiscoveredDomain.objects.select_related("hypervisor").filter(uuid=vm_id, is_conflict=False).first()
        if found is not None or time.monotonic() >= until or Vm.objects.filter(pk=vm_id).exists():
            return found
        time.sleep(POLL_SECONDS)
