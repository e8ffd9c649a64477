"""What an agent's refusals mean: the one place where the contract's codes become sentences for people.

An agent's own words are English, and may name files, devices and other guests of its host: they are for staff.
"""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from eve_agent.wire.errors import ErrorCode

from common.sentences import gettext_lazy as _

_TOO_OLD: Final = _("The host's agent does not know this request, or cannot do that. Staff can update the agent.")
_EVES_FAULT: Final = _(
    "The host did not understand Eve. That is no fault of yours: ask the staff to look into Eve's log."
)
_NOT_THERE: Final = _("The host does not have this virtual machine any more. Ask the staff what became of it.")

_WORDS: Final[dict[ErrorCode, str | Promise]] = {
    ErrorCode.BAD_REQUEST: _EVES_FAULT,
    ErrorCode.BAD_UUID: _EVES_FAULT,
    ErrorCode.NOT_FOUND: _TOO_OLD,
    ErrorCode.METHOD_NOT_ALLOWED: _TOO_OLD,
    ErrorCode.BODY_TOO_LARGE: _EVES_FAULT,
    ErrorCode.CONTRACT_UNSUPPORTED: _(
        "The host's agent and Eve are too far apart in version. Tell the staff, who have to update the older of the two."
    ),
    ErrorCode.NOT_SUPPORTED: _TOO_OLD,
    ErrorCode.DOMAIN_NOT_FOUND: _NOT_THERE,
    ErrorCode.DOMAIN_OFF: _("The virtual machine is off. Start it first."),
    ErrorCode.DOMAIN_RUNNING: _("The virtual machine runs. Shut it down first."),
    ErrorCode.DOMAIN_EXISTS: _("The host has a virtual machine of that id which Eve did not make. Ask the staff."),
    ErrorCode.NAME_TAKEN: _("Another virtual machine of the host has that name. Choose another."),
    ErrorCode.NOT_MADE_BY_EVE: _(
        "Eve deletes only what she made, and this she did not. Staff can remove it at the host."
    ),
    ErrorCode.CONSOLE_NOT_FOUND: _("That console is not open any more."),
    ErrorCode.SESSION_EXISTS: _("That console is open already. Try again in a moment."),
    ErrorCode.CONSOLE_BUSY: _("Somebody else holds the serial line. You may take it from them."),
    ErrorCode.TYPING_BUSY: _("Another text is being typed there. Wait for its end, or cancel it."),
    ErrorCode.NO_DISPLAY: _("The virtual machine has no screen, or no serial line, to show."),
    ErrorCode.DISPLAY_UNSUPPORTED: _("The virtual machine has a screen, but none that speaks VNC, which Eve shows."),
    ErrorCode.ACTION_REFUSED: _(
        "The host's libvirt refused. What was not done yet was left as it was. The staff can see what libvirt says."
    ),
    ErrorCode.LIBVIRT_AWAY: _("libvirt on the host does not answer. Try again in a moment."),
    ErrorCode.LIBVIRT_TIMEOUT: _("libvirt on the host takes too long. What was asked for may still happen."),
    ErrorCode.BEYOND_HOST: _("The host does not have that many processors, or that much memory. Ask for less."),
    ErrorCode.NETWORK_NOT_FOUND: _("The host does not have that network. Choose another, or ask the staff."),
    ErrorCode.DEVICE_NOT_FOUND: _("The virtual machine does not have that device any more."),
    ErrorCode.POOL_NOT_FOUND: _("The host does not have that storage pool any more. Ask the staff."),
    ErrorCode.POOL_UNUSABLE: _("The host's storage pool cannot be used just now. Ask the staff to start it."),
    ErrorCode.NO_SPACE: _("The host's storage has no room for it. Delete what is not needed, or ask the staff."),
    ErrorCode.IMAGE_NOT_FOUND: _("The host does not have that image any more. Choose another, or add it again."),
    ErrorCode.IMAGE_IN_USE: _("The image is in use: a disk was made from it, or it is in a CD drive."),
    ErrorCode.IMAGE_INVALID: _(
        "This is no image that Eve takes. It has to be of the declared format, whole, and without a backing or data file: "
        "convert it with qemu-img convert, then send it again."
    ),
    ErrorCode.CHECKSUM_MISMATCH: _(
        "The checksum is wrong: this is another file than was announced, or it was damaged on its way. Nothing was kept."
    ),
    ErrorCode.OFFSET_MISMATCH: _("That piece of the file is not the next. Go on where the host is."),
    ErrorCode.ADDRESS_REFUSED: _(
        "Eve does not fetch from that address: it is, or leads to, a private one. Ask the staff, or upload the file."
    ),
    ErrorCode.FETCH_FAILED: _("The server with the file failed, or does not have it. Check the address."),
    ErrorCode.FETCH_TOO_SLOW: _(
        "The server with the file sends it too slowly, so the fetch was given up. Choose a faster one, or upload the file."
    ),
    ErrorCode.JOB_RUNNING: _("The host is at work on that image. Try again when it is done."),
    ErrorCode.VOLUME_NOT_FOUND: _("The host does not have that disk any more. Ask the staff."),
    ErrorCode.VOLUME_IN_USE: _("A virtual machine uses that disk. Detach it there first."),
    ErrorCode.VOLUME_MISMATCH: _("The host has that disk, but another size or image of it. A disk can only grow."),
    ErrorCode.SNAPSHOT_NOT_FOUND: _("The host does not have that snapshot any more."),
    ErrorCode.SNAPSHOT_REFUSED: _(
        "The virtual machine cannot have that snapshot in its present state: its disks, its firmware or the processors that were "
        "added while it ran do not allow one. Shut it down and try again, or choose a snapshot of its disks alone."
    ),
    ErrorCode.NO_GUEST_AGENT: _("No agent in the guest answers. Install and start qemu-guest-agent in it."),
    ErrorCode.GUEST_REFUSED: _("The agent in the guest refused. Check that the guest has such a user or command."),
    ErrorCode.INTERNAL: _("Something in the host's agent failed. Ask the staff: its log says what."),
    ErrorCode.UNKNOWN: _("The host refused for a reason that this Eve does not know. The staff can see what it says."),
}


def refusal_words(code: ErrorCode) -> str | Promise:
    """What it means that an agent refused with `code`, and what to do."""
    return _WORDS.get(code, _WORDS[ErrorCode.UNKNOWN])
