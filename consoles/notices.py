"""What live consoles are told: that they must end, or look again whether they may go on.

All processes hear all notices, on one group of the channel layer; each notice has a topic, and :mod:`consoles.switchboard` tells the consoles
that have it.
"""

from __future__ import annotations

import uuid
from typing import Any

GROUP = "consoles"
END = "end"
CHECK = "check"


def user_topic(user_id: uuid.UUID) -> str:
    """All consoles of one user."""
    return f"user.{user_id}"


def vm_topic(vm_id: uuid.UUID) -> str:
    """All consoles of one VM."""
    return f"vm.{vm_id}"


def hypervisor_topic(hypervisor_id: uuid.UUID) -> str:
    """All consoles of one host."""
    return f"hypervisor.{hypervisor_id}"


def session_topic(session_id: uuid.UUID) -> str:
    """One console."""
    return f"session.{session_id}"


def login_topic(session_digest: str) -> str:
    """All consoles of one login session."""
    return f"login.{session_digest}"


def token_topic(token_id: uuid.UUID) -> str:
    """All consoles of one login token."""
    return f"token.{token_id}"


def link_topic(link_id: uuid.UUID) -> str:
    """All consoles of one guest link."""
    return f"link.{link_id}"


def maker_topic(user_id: uuid.UUID) -> str:
    """All consoles of the guest links that one user made."""
    return f"maker.{user_id}"


def topics_of(grant: Any, session_id: uuid.UUID) -> list[str]:
    """Every topic of a session of that grant."""
    principal = grant.principal
    topics = [
        vm_topic(grant.vm.pk),
        hypervisor_topic(grant.vm.hypervisor_id),
        session_topic(session_id),
    ]
    if principal.user is not None:
        topics.append(user_topic(principal.user.pk))
    if principal.guest is not None:
        topics += [link_topic(principal.guest.link.pk), maker_topic(principal.guest.link.created_by_id)]
    if principal.session_digest:
        topics.append(login_topic(principal.session_digest))
    if principal.token is not None:
        topics.append(token_topic(principal.token.pk))
    return topics


def end_notice(topic: str, code: int, reason: str = "") -> dict[str, Any]:
    """Ends the consoles of a topic."""
    return {"type": "console.notice", "topic": topic, "what": END, "code": int(code), "reason": reason}


def check_notice(topic: str) -> dict[str, Any]:
    """Has the consoles of a topic look whether they may go on."""
    return {"type": "console.notice", "topic": topic, "what": CHECK}
