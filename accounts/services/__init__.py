"""What changes accounts. Pages, API, admin and commands call these and nothing else."""

from accounts.audit import audit_record

from .logins import login_check, login_end, login_remember, logout_everywhere
from .passwords import link_user, password_forgotten, password_link, password_set, password_set_by_link
from .projects import (
    member_invite,
    membership_remove,
    membership_set,
    owner_check,
    project_create,
    project_delete,
    project_update,
)
from .ssh_keys import ssh_key_add, ssh_key_remove
from .tokens import token_create, token_revoke
from .users import user_create, user_delete, user_disable, user_enable, user_update

__all__ = [
    "audit_record",
    "link_user",
    "login_check",
    "login_end",
    "login_remember",
    "logout_everywhere",
    "member_invite",
    "membership_remove",
    "membership_set",
    "owner_check",
    "password_forgotten",
    "password_link",
    "password_set",
    "password_set_by_link",
    "project_create",
    "project_delete",
    "project_update",
    "ssh_key_add",
    "ssh_key_remove",
    "token_create",
    "token_revoke",
    "user_create",
    "user_delete",
    "user_disable",
    "user_enable",
    "user_update",
]
