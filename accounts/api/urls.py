"""Accounts' part of /api/v1/."""

from __future__ import annotations

from django.urls import path

from . import directory, views

urlpatterns = [
    path("login", views.LoginView.as_view(), name="api-login"),
    path("logout", views.LogoutView.as_view(), name="api-logout"),
    path("logout/all", views.LogoutAllView.as_view(), name="api-logout-all"),
    path("me", views.MeView.as_view(), name="api-me"),
    path("tokens", views.TokenListView.as_view(), name="api-tokens"),
    path("tokens/<uuid:token_id>", views.TokenView.as_view(), name="api-token"),
    path("sessions", views.LoginSessionListView.as_view(), name="api-login-sessions"),
    path("sessions/<uuid:login_session_id>", views.LoginSessionView.as_view(), name="api-login-session"),
    path("ssh-keys", views.SshKeyListView.as_view(), name="api-ssh-keys"),
    path("ssh-keys/<uuid:key_id>", views.SshKeyView.as_view(), name="api-ssh-key"),
    path("audit", views.AuditListView.as_view(), name="api-audit"),
    path("users", directory.UserListView.as_view(), name="api-users"),
    path("users/<uuid:user_id>", directory.UserView.as_view(), name="api-user"),
    path("users/<uuid:user_id>/password-link", directory.PasswordLinkView.as_view(), name="api-user-password-link"),
    path("users/<uuid:user_id>/second-factors", directory.SecondFactorsView.as_view(), name="api-user-second-factors"),
    path("projects", directory.ProjectListView.as_view(), name="api-projects"),
    path("projects/<uuid:project_id>", directory.ProjectView.as_view(), name="api-project"),
    path("projects/<uuid:project_id>/members", directory.MemberListView.as_view(), name="api-members"),
    path("projects/<uuid:project_id>/members/<uuid:user_id>", directory.MemberView.as_view(), name="api-member"),
    path("projects/<uuid:project_id>/invitations", directory.InvitationListView.as_view(), name="api-invitations"),
    path(
        "projects/<uuid:project_id>/invitations/<uuid:invitation_id>",
        directory.InvitationView.as_view(),
        name="api-invitation",
    ),
]
