"""One mail, plain text."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage


def mail_send(*, delivery_id: UUID, address: str, subject: str, text: str) -> None:
    """Raises what the mail backend raises. The same delivery sent twice has the same Message-ID, so that it can be told."""
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "eve"
    headers = {
        "Message-ID": f"<{delivery_id}@{domain}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: no automatic answers
    }
    EmailMessage(subject, text, settings.DEFAULT_FROM_EMAIL, [address], headers=headers).send()
