"""Pages of accounts."""

from __future__ import annotations

from django.urls import path

from . import portal, views

urlpatterns = [
    path("login/", views.login_view, name="login"),
    path("logout/", views.logout_view, name="logout"),
    path("password/", views.password_forgotten_view, name="password-reset"),
    path("password/set/", views.password_set_view, name="password-set"),
    path("profile/", portal.profile, name="profile"),
    path("profile/name/", portal.name_change, name="profile-name"),
    path("profile/password/", portal.password_change, name="profile-password"),
    path("profile/tokens/<uuid:token_id>/end/", portal.token_end, name="profile-token-end"),
    path("profile/ssh-keys/", portal.ssh_key_keep, name="profile-ssh-key-add"),
    path("profile/ssh-keys/<uuid:key_id>/remove/", portal.ssh_key_forget, name="profile-ssh-key-remove"),
    path("profile/sign-out-everywhere/", portal.sign_out_everywhere, name="profile-sign-out-everywhere"),
    path("projects/new/", portal.project_new, name="project-new"),
    path("projects/<uuid:project_id>/", portal.project_detail, name="project-detail"),
    path("projects/<uuid:project_id>/members/", portal.member_add, name="member-add"),
    path("projects/<uuid:project_id>/members/<uuid:user_id>/remove/", portal.member_remove, name="member-remove"),
]
