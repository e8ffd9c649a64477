"""``manage.py ca_renew``: changes Eve's own certificate now, instead of at two thirds of its life."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors.castore import ca_store
from hypervisors.services import eve_certificate_renew


class Command(BaseCommand):
    """Makes the certificate that follows; the watchers announce it to the agents and change over."""

    help = _("Change Eve's own client certificate now. Agents are told first; hosts that are away are waited for.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError."""
        try:
            eve_certificate_renew(is_forced=True)
            store = ca_store()
            following = store.following()
        except EveError as error:
            raise CommandError(str(error)) from error
        if following is None:
            self.stdout.write(_("Eve uses %(pin)s from now on.") % {"pin": store.current().fingerprint})
        else:
            self.stdout.write(
                _("%(pin)s follows once every host knows it; the watcher tells them.") % {"pin": following.fingerprint}
            )
