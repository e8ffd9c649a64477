"""``manage.py hypervisor_add``: registers a hypervisor and gives its enrolment line."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors.models import Hypervisor, Site
from hypervisors.services import (
    enrolment_line,
    enrolment_token_create,
    hypervisor_register,
    hypervisor_update,
    site_create,
)


class Command(BaseCommand):
    """Does nothing a second time; a token is made only while the host is not enrolled, or with ``--re-enrol``."""

    help = _("Register a hypervisor (and its site), and give the line that enrols its host. Harmless when repeated.")

    def add_arguments(self, parser: CommandParser) -> None:
        """``NAME --address HOST:PORT --site NAME``"""
        parser.add_argument("name", metavar="NAME", help=_("what Eve calls it"))
        parser.add_argument("--address", required=True, metavar="HOST:PORT", help=_("where its agent listens"))
        parser.add_argument("--site", required=True, metavar="NAME", help=_("made unless it exists"))
        parser.add_argument(
            "--remarks", default=None, help=_("for its page; those that it has are kept where this is left out")
        )
        parser.add_argument("--re-enrol", action="store_true", help=_("give a line although the host is enrolled"))
        parser.add_argument("--json", action="store_true", help=_("print one JSON object"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError."""
        try:
            hypervisor = self._register(options)
            token = ""
            if options["re_enrol"] or not hypervisor.certificate_fingerprint:
                token, _row = enrolment_token_create(hypervisor=hypervisor)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except EveError as error:
            raise CommandError(str(error)) from error
        line = enrolment_line(token) if token else ""
        if options["json"]:
            answer = {"id": str(hypervisor.pk), "state": hypervisor.state, "enrolment_line": line, "token": token}
            self.stdout.write(json.dumps(answer))
        elif line:
            self.stdout.write(_("Run this line on the host, as root, within the hour:"))
            self.stdout.write(line)
        else:
            self.stdout.write(
                _("%(name)s is enrolled already (%(state)s).")
                % {"name": hypervisor, "state": hypervisor.get_state_display()}
            )

    def _register(self, options: dict[str, Any]) -> Hypervisor:
        hypervisor = Hypervisor.objects.filter(name=options["name"]).first()
        asked = Hypervisor(name=options["name"], address=options["address"])
        asked.full_clean(exclude=["site"], validate_unique=False)  # before a site is made for it
        site = Site.objects.filter(name=options["site"]).first() or self._new_site(options)
        if hypervisor is None:
            wanted = Hypervisor(
                name=options["name"], site=site, address=options["address"], remarks=options["remarks"] or ""
            )
            hypervisor = _made(hypervisor_register, hypervisor=wanted) or Hypervisor.objects.get(name=options["name"])
        changes: dict[str, Any] = {"address": options["address"], "site": site}
        if options["remarks"] is not None:
            changes["remarks"] = options["remarks"]
        return hypervisor_update(hypervisor=hypervisor, **changes)

    def _new_site(self, options: dict[str, Any]) -> Site:
        made = _made(site_create, site=Site(name=options["site"]))
        if made and not options["json"]:
            self.stdout.write(_("There was no site %(name)s: it was made.") % {"name": options["site"]})
        return made or Site.objects.get(name=options["site"])


def _made(service: Any, **what: Any) -> Any:
    """What the service made, or None where somebody made it in the same moment."""
    try:
        return service(**what)
    except IntegrityError:
        return None
    except ValidationError as error:
        if "name" in getattr(error, "error_dict", {}) and error.error_dict["name"][0].code == "unique":
            return None
        raise
