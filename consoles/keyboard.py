"""Text that a VM's host types at its keyboard, in the guest's own layout. How much is written down, never what."""

from __future__ import annotations

import unicodedata
import uuid
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.keyboard import KeyboardLayout, missing
from eve_agent.wire.typing import DEFAULT_PACE, TextToType, TypingStatus

from accounts.models import User
from accounts.services import audit_record
from common.sentences import gettext as _
from hypervisors.client import AgentClient
from hypervisors.errors import AgentRefused
from vms.errors import WrongState
from vms.models import Vm, VmState
from vms.services.machines import require_host, require_operator

from .credentials import Principal
from .errors import AgentTooOld, CharactersMissing, TypingBusy
from .typings import typing_note

LAYOUTS: Final[dict[KeyboardLayout, Promise]] = {
    KeyboardLayout.US: pgettext_lazy("keyboard", "English (US)"),
    KeyboardLayout.GB: pgettext_lazy("keyboard", "English (UK)"),
    KeyboardLayout.DE: pgettext_lazy("keyboard", "German"),
    KeyboardLayout.CH: pgettext_lazy("keyboard", "Swiss German"),
    KeyboardLayout.CH_FR: pgettext_lazy("keyboard", "Swiss French"),
    KeyboardLayout.FR: pgettext_lazy("keyboard", "French"),
    KeyboardLayout.BE: pgettext_lazy("keyboard", "Belgian"),
    KeyboardLayout.ES: pgettext_lazy("keyboard", "Spanish"),
    KeyboardLayout.IT: pgettext_lazy("keyboard", "Italian"),
    KeyboardLayout.PT: pgettext_lazy("keyboard", "Portuguese"),
    KeyboardLayout.SE: pgettext_lazy("keyboard", "Swedish"),
    KeyboardLayout.DK: pgettext_lazy("keyboard", "Danish"),
    KeyboardLayout.NO: pgettext_lazy("keyboard", "Norwegian"),
    KeyboardLayout.FI: pgettext_lazy("keyboard", "Finnish"),
    KeyboardLayout.PL: pgettext_lazy("keyboard", "Polish"),
}
"""The layouts, as people call them."""
MAX_NAMED = 10
"""As many characters that a keyboard lacks are named."""
_ACTION: Final = "console.type"
_ALIKE = str.maketrans({"\u00a0": " ", "\u2028": "\n", "\u2029": "\n"})


def text_type(
    *,
    vm: Vm,
    principal: Principal,
    text: str,
    layout: KeyboardLayout = KeyboardLayout.US,
    keys_per_second: int = DEFAULT_PACE,
) -> TypingStatus:
    """Has the host begin to type; it goes on by itself, for as long as the principal may (:mod:`consoles.typings`).

    Raises:
        ActionNotAllowed: the user may only look.
        CharactersMissing: the layout does not have them all; nothing was typed.
        VmHostAway, WrongState: nobody would get the keys.
        TypingBusy: another text is being typed there.
        AgentTooOld: the host cannot do this yet.
        hypervisors.errors.AgentError: the host failed.
    """
    user = principal.user
    assert user is not None, "guests have consoles only"
    require_operator(user, vm, action=_ACTION)
    text = typable(text)
    lacking = missing(text, layout)
    if lacking:
        named = " ".join(_named(character) for character in lacking[:MAX_NAMED])
        raise CharactersMissing(
            _("The keyboard “%(layout)s” does not have: %(characters)s. Nothing was typed.")
            % {"layout": LAYOUTS[layout], "characters": named}
        )
    require_host(vm)
    if vm.state != VmState.RUNNING:
        raise WrongState(
            _("%(name)s does not run just now, so its keyboard is dead. Nothing was typed.") % {"name": vm.name},
            state=vm.state,
        )
    wanted = TextToType(typing_id=uuid.uuid4(), text=text, layout=layout, keys_per_second=keys_per_second)
    noted = typing_note(vm=vm, principal=principal, wanted=wanted)
    with AgentClient(vm.hypervisor) as agent:
        try:
            status = agent.typing_begin(vm.pk, wanted)
        except AgentRefused as refusal:
            noted.delete()
            raise _refusal(refusal) from refusal
    audit_record(
        action=_ACTION,
        actor=user,
        target=vm,
        project=vm.project,
        detail={"characters": len(text), "layout": layout.value},
    )
    return status


def typing_status(*, vm: Vm, user: User) -> TypingStatus:
    """How far the host is with the text that it types, or typed last. Raises as :func:`text_type`."""
    require_operator(user, vm, action=_ACTION)
    require_host(vm)
    with AgentClient(vm.hypervisor) as agent:
        try:
            return agent.typing_status(vm.pk)
        except AgentRefused as refusal:
            raise _refusal(refusal) from refusal


def typing_cancel(*, vm: Vm, user: User) -> TypingStatus:
    """Stops it at the next key; what was typed stays typed. Raises as :func:`text_type`."""
    require_operator(user, vm, action=_ACTION)
    require_host(vm)
    with AgentClient(vm.hypervisor) as agent:
        try:
            status = agent.typing_cancel(vm.pk)
        except AgentRefused as refusal:
            raise _refusal(refusal) from refusal
    audit_record(
        action="console.type_cancel",
        actor=user,
        target=vm,
        project=vm.project,
        detail={"typed": status.typed, "characters": status.total},
    )
    return status


def typable(text: str) -> str:
    """`text` as keys have it: composed letters, one kind of line end and of space."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).translate(_ALIKE)


def _named(character: str) -> str:
    return character if character.isprintable() else f"U+{ord(character):04X}"


def _refusal(refusal: AgentRefused) -> Exception:
    if refusal.agent_code is ErrorCode.NOT_FOUND:
        return AgentTooOld(_("The agent on this VM's host is too old to type. Staff can update it."))
    if refusal.agent_code is ErrorCode.TYPING_BUSY:
        return TypingBusy(_("Another text is being typed there. Wait for its end, or cancel it."))
    return refusal
