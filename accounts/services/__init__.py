"""What changes accounts. Pages, API and commands call these and nothing else."""

from accounts.audit import audit_record

from .logins import login_check, login_end, login_remember, logout_everywhere
from .passwords import password_link, password_set, password_set_by_link
from .projects import membership_remove, membership_set, project_create, project_delete, project_update
from .tokens import token_create, token_revoke, tokens_revoke_all
from .users import user_create, user_delete, user_disable, user_enable, user_update

__all__ = [
    "audit_record",
    "login_check",
    "login_end",
    "login_remember",
    "logout_everywhere",
    "membership_remove",
    "membership_set",
    "password_link",
    "password_set",
    "password_set_by_link",
    "project_create",
    "project_delete",
    "project_update",
    "token_create",
    "token_revoke",
    "tokens_revoke_all",
    "user_create",
    "user_delete",
    "user_disable",
    "user_enable",
    "user_update",
]
