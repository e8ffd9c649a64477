"""Sends mail beside the request, so that how long an answer takes says nothing of whether there is an account."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.conf import settings
from django.core.mail import send_mail

from common.sentences import gettext as _

log = structlog.get_logger(__name__)

_sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail")


def password_mail_send(*, address: str, link: str) -> None:
    """Mails a one-use link; a mail server that is away is logged, not told to whoever asked."""
    if not settings.SENDS_MAIL:
        log.warning("mail not sent", error="EVE_EMAIL_URL is not set")
        return
    subject = _("Set your password for Eve")
    text = _(
        "Somebody, probably you, asked to set a new password for your account at %(address)s.\n\n"
        "Open this link within an hour; it works once:\n\n%(link)s\n\n"
        "If it was not you, do nothing: your password stays as it is.\n"
    ) % {"address": settings.PUBLIC_URL, "link": link}
    _sender.submit(_send, subject, text, address)


def invitation_mail_send(*, address: str, inviter: str, link: str, days: int) -> None:
    """Mails an invitation. It names nothing that its sender could have chosen the words of, such as the project."""
    subject = _("You are invited to Eve")
    text = _(
        "%(inviter)s invites you to work with virtual machines at %(address)s.\n\n"
        "Open this link within %(days)d days to make your account; it works once:\n\n%(link)s\n\n"
        "If you do not know what this is, do nothing: there is no account in your name.\n"
    ) % {"inviter": inviter, "address": settings.PUBLIC_URL, "link": link, "days": days}
    _sender.submit(_send, subject, text, address)


def _send(subject: str, text: str, address: str) -> None:
    try:
        send_mail(subject, text, settings.DEFAULT_FROM_EMAIL, [address])
    except Exception as error:  # of a pool's thread nobody else would hear
        # Neither its text nor a traceback: the mail that could not be sent, with its link, may be quoted there.
        last = traceback.extract_tb(error.__traceback__)[-1]
        log.error("mail not sent", error=type(error).__name__, where=f"{last.filename}:{last.lineno}")
