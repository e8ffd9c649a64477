"""What changes accounts. Pages, API, admin and commands call these and nothing else."""

from accounts.audit import audit_record

from .factors import (
    code_check,
    passkey_add,
    passkey_check,
    passkey_remove,
    recovery_codes_renew,
    second_factor_reset,
    totp_add,
    totp_remove,
)
from .invitations import invitation_of, invitation_withdraw
from .joining import invitation_accept
from .logins import login_check, login_end, login_remember, logout_everywhere, password_check
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
from .sessions import login_session_end, login_session_note
from .ssh_keys import ssh_key_add, ssh_key_remove
from .tokens import token_create, token_revoke, tokens_revoke
from .users import user_create, user_delete, user_disable, user_enable, user_update

__all__ = [
    "audit_record",
    "code_check",
    "invitation_accept",
    "invitation_of",
    "invitation_withdraw",
    "link_user",
    "login_check",
    "login_end",
    "login_remember",
    "login_session_end",
    "login_session_note",
    "logout_everywhere",
    "member_invite",
    "membership_remove",
    "membership_set",
    "owner_check",
    "passkey_add",
    "passkey_check",
    "passkey_remove",
    "password_check",
    "password_forgotten",
    "password_link",
    "password_set",
    "password_set_by_link",
    "project_create",
    "project_delete",
    "project_update",
    "recovery_codes_renew",
    "second_factor_reset",
    "ssh_key_add",
    "ssh_key_remove",
    "token_create",
    "token_revoke",
    "tokens_revoke",
    "totp_add",
    "totp_remove",
    "user_create",
    "user_delete",
    "user_disable",
    "user_enable",
    "user_update",
]
