"""What people have and may end, as one kind of table: sessions, SSH keys, login tokens; a project's invitations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from common.sentences import gettext as _

from .browsers import browser_words
from .models import Invitation, LoginSession, LoginToken, SshKey


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a text or a time, with a smaller line or a tag beside it."""

    text: str = ""
    at: dt.datetime | None = None
    is_exact: bool = False
    """Whether the time is written out instead of how long ago it was."""
    is_code: bool = False
    below: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """The button that ends a row, and what it asks first."""

    url: str
    button: str
    title: str
    text: str
    verb: str
    keep: str


@dataclass(frozen=True, slots=True)
class Row:
    """One of the user's things."""

    cells: list[Cell]
    ending: Ending | None


@dataclass(frozen=True, slots=True)
class Table:
    """All of one kind."""

    heads: list[str]
    rows: list[Row]


def sessions_table(sessions: Iterable[LoginSession], *, here: str) -> Table:
    """Login sessions; `here` is the digest of the one that asks."""
    return Table(
        heads=[_("Browser"), _("From"), _("Signed in"), _("Last used")],
        rows=[
            Row(
                cells=[
                    Cell(browser_words(session.agent), tag=_("this one") if session.digest == here else ""),
                    Cell(session.address or _("unknown")),
                    Cell(at=session.created_at),
                    Cell(at=session.last_used_at),
                ],
                ending=None if session.digest == here else _session_ending(session),
            )
            for session in sessions
        ],
    )


def invitations_table(invitations: Iterable[Invitation], *, withdraw: str = "invitation-withdraw") -> Table:
    """A project's open invitations; `withdraw` names the address that withdraws one."""
    return Table(
        heads=[_("Who"), _("Role"), _("Invited"), _("Ends")],
        rows=[
            Row(
                cells=[
                    Cell(invitation.email),
                    Cell(str(invitation.get_role_display())),
                    Cell(at=invitation.created_at),
                    Cell(at=invitation.expires_at),
                ],
                ending=Ending(
                    url=reverse(withdraw, args=[invitation.project_id, invitation.pk]),
                    button=_("Withdraw…"),
                    title=_("Withdraw the invitation of %(email)s?") % {"email": invitation.email},
                    text=_("The link in the mail does not work any more."),
                    verb=_("Withdraw it"),
                    keep=_("Keep it"),
                ),
            )
            for invitation in invitations
        ],
    )


def ssh_keys_table(keys: Iterable[SshKey]) -> Table:
    """Public SSH keys."""
    return Table(
        heads=[_("Name"), _("Fingerprint"), _("Added")],
        rows=[
            Row(
                cells=[Cell(key.name), Cell(key.fingerprint, is_code=True), Cell(at=key.created_at)],
                ending=Ending(
                    url=reverse("profile-ssh-key-remove", args=[key.pk]),
                    button=_("Remove…"),
                    title=_("Remove %(name)s?") % {"name": key.name},
                    text=_("It is not offered for new machines any more. Those that were made with it keep it."),
                    verb=_("Remove it"),
                    keep=_("Keep it"),
                ),
            )
            for key in keys
        ],
    )


def tokens_table(tokens: Iterable[LoginToken]) -> Table:
    """Login tokens."""
    return Table(
        heads=[_("Name"), _("Made"), _("Last used"), _("Ends")],
        rows=[
            Row(
                cells=[
                    Cell(token.name or _("no name"), below=f"eve1_{token.public}…"),
                    Cell(at=token.created_at),
                    Cell(_("never"), at=token.last_used_at),
                    Cell(at=token.expires_at, is_exact=True),
                ],
                ending=Ending(
                    url=reverse("profile-token-end", args=[token.pk]),
                    button=_("Revoke…"),
                    title=_("Revoke %(name)s?") % {"name": token.name or token.public},
                    text=_("Programs that use it are signed out at once, and the consoles that they have open end."),
                    verb=_("Revoke it"),
                    keep=_("Keep it"),
                ),
            )
            for token in tokens
        ],
    )


def _session_ending(session: LoginSession) -> Ending:
    names = {"browser": browser_words(session.agent), "address": session.address or _("unknown")}
    return Ending(
        url=reverse("profile-session-end", args=[session.pk]),
        button=_("Sign out…"),
        title=_("Sign out %(browser)s at %(address)s?") % names,
        text=_("Whoever sits there has to sign in again, and the consoles that are open there end."),
        verb=_("Sign it out"),
        keep=_("Leave it"),
    )
