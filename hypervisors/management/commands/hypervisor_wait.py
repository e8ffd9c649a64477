"""``manage.py hypervisor_wait``: waits for a hypervisor to be online."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.sentences import gettext as _
from hypervisors.models import Hypervisor, HypervisorState

POLL_SECONDS = 0.3


class Command(BaseCommand):
    """Exit status 0 when it is online; else the reason in words."""

    help = _("Wait until a hypervisor is online; say why not if it is not in time.")

    def add_arguments(self, parser: CommandParser) -> None:
        """``NAME --seconds N``"""
        parser.add_argument("name", metavar="NAME", help=_("what Eve calls it"))
        parser.add_argument("--seconds", type=float, default=30.0, help=_("how long to wait (%(default)s)"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError."""
        end = time.monotonic() + options["seconds"]
        while True:
            hypervisor = Hypervisor.objects.filter(name=options["name"]).first()
            if hypervisor is None:
                raise CommandError(
                    _("There is no hypervisor %(name)s. Make it with hypervisor_add.") % {"name": options["name"]}
                )
            if hypervisor.state == HypervisorState.ONLINE:
                self.stdout.write(_("%(name)s is online.") % {"name": hypervisor})
                return
            if time.monotonic() >= end:
                reason = hypervisor.state_reason or _("Run its enrolment line on the host, then start the agent.")
                raise CommandError(f"{hypervisor}: {hypervisor.get_state_display()}. {reason}")
            time.sleep(POLL_SECONDS)
