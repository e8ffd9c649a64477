"""The channel-layer groups by which live consoles hear that they must end, or look again whether they may go on."""

from __future__ import annotations

import uuid
from typing import Any

END = "console.end"
CHECK = "console.check"


def user_group(user_id: uuid.UUID) -> str:
    """All consoles of one user."""
    return f"console.user.{user_id}"


def vm_group(vm_id: uuid.UUID) -> str:
    """All consoles of one VM."""
    return f"console.vm.{vm_id}"


def hypervisor_group(hypervisor_id: uuid.UUID) -> str:
    """All consoles of one host."""
    return f"console.hypervisor.{hypervisor_id}"


def session_group(session_id: uuid.UUID) -> str:
    """One console."""
    return f"console.session.{session_id}"


def login_group(session_digest: str) -> str:
    """All consoles of one login session."""
    return f"console.login.{session_digest}"


def token_group(token_id: uuid.UUID) -> str:
    """All consoles of one login token."""
    return f"console.token.{token_id}"


def of_session(grant: Any, session_id: uuid.UUID) -> list[str]:
    """Every group that a session of that grant belongs to."""
    principal = grant.principal
    names = [
        user_group(principal.user.pk),
        vm_group(grant.vm.pk),
        hypervisor_group(grant.vm.hypervisor_id),
        session_group(session_id),
    ]
    if principal.session_digest:
        names.append(login_group(principal.session_digest))
    if principal.token is not None:
        names.append(token_group(principal.token.pk))
    return names


def end_message(code: int, reason: str = "") -> dict[str, Any]:
    """Ends the consoles in a group."""
    return {"type": END, "code": int(code), "reason": reason}


def check_message() -> dict[str, Any]:
    """Has the consoles in a group look whether they may go on."""
    return {"type": CHECK}
