"""Pages of accounts."""

from __future__ import annotations

from django.urls import path

from . import factor_pages, portal, token_pages, views

urlpatterns = [
    path("login/", views.login_view, name="login"),
    path("login/second/", factor_pages.second_step, name="login-second"),
    path("logout/", views.logout_view, name="logout"),
    path("password/", views.password_forgotten_view, name="password-reset"),
    path("password/set/", views.password_set_view, name="password-set"),
    path("invitation/", views.invitation_view, name="invitation"),
    path("profile/", portal.profile, name="profile"),
    path("profile/name/", portal.name_change, name="profile-name"),
    path("profile/password/", portal.password_change, name="profile-password"),
    path("profile/tokens/new/", token_pages.token_new, name="profile-token-new"),
    path("profile/tokens/end/", token_pages.tokens_end, name="profile-tokens-end"),
    path("profile/tokens/<uuid:token_id>/end/", token_pages.token_end, name="profile-token-end"),
    path("profile/sessions/<uuid:login_session_id>/end/", portal.session_end, name="profile-session-end"),
    path("profile/ssh-keys/", portal.ssh_key_keep, name="profile-ssh-key-add"),
    path("profile/ssh-keys/<uuid:key_id>/remove/", portal.ssh_key_forget, name="profile-ssh-key-remove"),
    path("profile/sign-out-everywhere/", portal.sign_out_everywhere, name="profile-sign-out-everywhere"),
    path("profile/confirm/", factor_pages.confirm, name="profile-confirm"),
    path("profile/two-factor/", factor_pages.two_factor, name="two-factor"),
    path("profile/two-factor/app/", factor_pages.totp_new, name="totp-add"),
    path("profile/two-factor/app/remove/", factor_pages.totp_forget, name="totp-remove"),
    path("profile/two-factor/passkeys/", factor_pages.passkey_new, name="passkey-add"),
    path("profile/two-factor/passkeys/<uuid:passkey_id>/remove/", factor_pages.passkey_forget, name="passkey-remove"),
    path("profile/two-factor/codes/", factor_pages.recovery_renew, name="recovery-codes"),
    path("projects/new/", portal.project_new, name="project-new"),
    path("projects/<uuid:project_id>/", portal.project_detail, name="project-detail"),
    path("projects/<uuid:project_id>/members/", portal.member_add, name="member-add"),
    path("projects/<uuid:project_id>/members/<uuid:user_id>/remove/", portal.member_remove, name="member-remove"),
    path(
        "projects/<uuid:project_id>/invitations/<uuid:invitation_id>/withdraw/",
        portal.invitation_end,
        name="invitation-withdraw",
    ),
]
