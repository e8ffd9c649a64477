"""What may go wrong with virtual machines.

::

    EveError
    ├── VmNotFound        there is none, or it is not the caller's
    ├── ActionNotAllowed  the caller may look, not touch
    ├── ActionUnknown     no such action
    ├── WrongState        the VM's state does not allow it
    ├── VmHostAway        the VM's host cannot be asked
    ├── AdoptionRefused   the domain cannot become a VM of that project
    ├── ForgetRefused     the VM is not missing
    ├── NotRestored       something of what is agreed cannot be had again
    ├── NameTaken         another VM of the project has that name
    ├── QuotaExceeded     the project may not use so much
    ├── NoRoom            no host has enough memory or space
    ├── ImageNotReady     the image cannot be used
    ├── ImageNotFound     there is none, or it is not the caller's
    ├── ImageRefused      the host cannot take the image
    │   └── NotAnImage    what came is none
    ├── ImageInUse        virtual machines need it
    ├── UploadRefused     bytes were sent that the image does not wait for
    └── NoPicture         there is no picture of the screen now
"""

from __future__ import annotations

from common.errors import Conflict, EveError, Invalid, NotAllowed, Unavailable
from common.sentences import gettext_lazy as _


class VmNotFound(EveError):
    """There is none, or it is not the caller's."""

    status = 404
    code = "not_found"
    title = _("Not found")

    def __init__(self) -> None:
        super().__init__(_("There is no such thing, or it is not yours."))


class ActionNotAllowed(NotAllowed):
    """The caller may look at the VM, but not do that."""


class ActionUnknown(Invalid):
    """No such action."""


class WrongState(Conflict):
    """The VM's state does not allow it; the member ``state`` has that state."""

    code = "wrong_state"


class VmHostAway(Unavailable):
    """The VM's host cannot be asked now."""

    code = "host_away"
    title = _("The host does not answer")


class AdoptionRefused(Conflict):
    """The domain cannot become a VM of that project."""

    code = "adoption_refused"
    title = _("It cannot be adopted")


class ForgetRefused(Conflict):
    """Only what is missing on its host can be forgotten."""

    code = "forget_refused"
    title = _("It cannot be forgotten")


class NoPicture(Conflict):
    """There is no picture of the VM's screen now."""

    code = "no_picture"
    title = _("No picture of the screen")


class NotRestored(Conflict):
    """Something of what is agreed cannot be had again; the rest is as agreed."""

    code = "not_restored"
    title = _("Not all of it could be restored")


class NameTaken(Conflict):
    """Another VM of the project has that name."""

    code = "name_taken"
    title = _("The name is taken")


class QuotaExceeded(Conflict):
    """The project may not use so much: ``what``, ``limit``, ``used`` and ``wanted`` say what of."""

    code = "quota_exceeded"
    title = _("The quota does not allow it")


class NoRoom(Conflict):
    """No host has enough memory or space."""

    code = "no_room"
    title = _("There is no room for it")


class ImageNotReady(Conflict):
    """The image cannot be used (yet)."""

    code = "image_not_ready"
    title = _("The image cannot be used")


class ImageNotFound(EveError):
    """There is none, or it is not the caller's."""

    status = 404
    code = "not_found"
    title = _("Not found")

    def __init__(self) -> None:
        super().__init__(_("There is no such image, or it is not yours."))


class ImageRefused(Conflict):
    """The host cannot take the image: ``agent_code`` says why."""

    code = "image_refused"
    title = _("The host could not take it")


class NotAnImage(ImageRefused):
    """What came is no image, or none that Eve takes."""

    title = _("That cannot be an image")


class ImageInUse(Conflict):
    """Virtual machines need it; ``used_by`` names those that the caller sees, ``others`` counts the rest."""

    code = "image_in_use"
    title = _("The image is in use")


class UploadRefused(Conflict):
    """Bytes were sent that the image does not wait for; ``received_bytes`` says where to go on."""

    code = "upload_refused"
    title = _("The upload cannot go on like this")
