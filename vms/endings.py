"""How a VM that is off went off: who had it done, as far as Eve knows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from eve_agent.wire.domain import StateAction

from common.sentences import gettext
from common.sentences import gettext_lazy as _
from operations.models import Operation, OperationState

from .cards import SETTLE
from .models import Vm
from .operation_lines import VM
from .states import kind_of

STOP, SHUTDOWN = kind_of(StateAction.STOP), kind_of(StateAction.SHUTDOWN)
_BY_GUEST: Final = "shutdown"
_REASON_OF: Final = {STOP: "destroyed", SHUTDOWN: _BY_GUEST}
"""libvirt's word for why it is off, by what does it."""
_DONE: Final = {STOP: _("%(who)s stopped it {ago}."), SHUTDOWN: _("%(who)s shut it down {ago}.")}


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of it. Without `kind` nobody did it by Eve."""

    kind: str = ""
    who: str = ""
    is_by_guest: bool = False
    """Whether the guest itself shut down."""

    @property
    def words(self) -> str:
        """A sentence, with ``{ago}`` for how long ago that was."""
        if self.kind:
            return str(_DONE[self.kind] % {"who": self.who})
        return gettext("Its guest shut down {ago}.") if self.is_by_guest else gettext("It went off {ago}.")


def ending_of(vm: Vm) -> Ending:
    """How this VM, which is off, went off. Who asks sees it, and with it the operations of its project."""
    is_by_guest = vm.state_reason == _BY_GUEST
    cause = _last_power_action(vm)
    if cause is None or cause.requested_by is None or not _explains(cause, vm):
        return Ending(is_by_guest=is_by_guest)
    return Ending(cause.kind, cause.requested_by.name, is_by_guest)


def _last_power_action(vm: Vm) -> Operation | None:
    """The last that was asked for before it went off, in the project that it is in."""
    asked = Operation.objects.filter(
        target_type=VM,
        target_id=vm.pk,
        project=vm.project_id,
        kind__in=[kind_of(action) for action in StateAction],
        created_at__lte=vm.state_since,
    )
    gone_wrong = (OperationState.FAILED, OperationState.CANCELLED)
    return asked.exclude(state__in=gone_wrong).select_related("requested_by").order_by("-created_at").first()


def _explains(cause: Operation, vm: Vm) -> bool:
    """Whether that is why it went off: libvirt's word fits, or is missing, and it followed at once, or as soon as a guest obeys."""
    if vm.state_reason not in ("", _REASON_OF.get(cause.kind)):
        return False
    patience = SETTLE if cause.kind == STOP else dt.timedelta(seconds=settings.SHUTDOWN_SECONDS)
    return cause.kind in _REASON_OF and (cause.finished_at is None or vm.state_since <= cause.finished_at + patience)
