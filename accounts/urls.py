"""Pages of accounts."""

from __future__ import annotations

from django.urls import path

from .views import factors, profile, projects, signing_in, tokens

urlpatterns = [
    path("login/", signing_in.login_view, name="login"),
    path("login/second/", factors.second_step, name="login-second"),
    path("logout/", signing_in.logout_view, name="logout"),
    path("password/", signing_in.password_forgotten_view, name="password-reset"),
    path("password/set/", signing_in.password_set_view, name="password-set"),
    path("invitation/", signing_in.invitation_view, name="invitation"),
    path("profile/", profile.profile, name="profile"),
    path("profile/name/", profile.name_change, name="profile-name"),
    path("profile/password/", profile.password_change, name="profile-password"),
    path("profile/tokens/new/", tokens.token_new, name="profile-token-new"),
    path("profile/tokens/end/", tokens.tokens_end, name="profile-tokens-end"),
    path("profile/tokens/<uuid:token_id>/end/", tokens.token_end, name="profile-token-end"),
    path("profile/sessions/<uuid:login_session_id>/end/", profile.session_end, name="profile-session-end"),
    path("profile/ssh-keys/", profile.ssh_key_keep, name="profile-ssh-key-add"),
    path("profile/ssh-keys/<uuid:key_id>/remove/", profile.ssh_key_forget, name="profile-ssh-key-remove"),
    path("profile/sign-out-everywhere/", profile.sign_out_everywhere, name="profile-sign-out-everywhere"),
    path("profile/confirm/", factors.confirm, name="profile-confirm"),
    path("profile/two-factor/", factors.two_factor, name="two-factor"),
    path("profile/two-factor/app/", factors.totp_new, name="totp-add"),
    path("profile/two-factor/app/remove/", factors.totp_forget, name="totp-remove"),
    path("profile/two-factor/passkeys/", factors.passkey_new, name="passkey-add"),
    path("profile/two-factor/passkeys/<uuid:passkey_id>/remove/", factors.passkey_forget, name="passkey-remove"),
    path("profile/two-factor/codes/", factors.recovery_renew, name="recovery-codes"),
    path("projects/new/", projects.project_new, name="project-new"),
    path("projects/<uuid:project_id>/", projects.project_detail, name="project-detail"),
    path("projects/<uuid:project_id>/members/", projects.member_add, name="member-add"),
    path("projects/<uuid:project_id>/members/<uuid:user_id>/remove/", projects.member_remove, name="member-remove"),
    path(
        "projects/<uuid:project_id>/invitations/<uuid:invitation_id>/withdraw/",
        projects.invitation_end,
        name="invitation-withdraw",
    ),
]
