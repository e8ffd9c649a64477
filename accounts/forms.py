"""Forms of the accounts' pages. They check shapes; the services decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import password_validation

from common.sentences import gettext_lazy as _

from .factors.passkeys import LONGEST_ANSWER
from .models import Project, Role, User
from .services.tokens import MOST_TTL_SECONDS


class LoginForm(forms.Form):
    """Signing in."""

    email = forms.CharField(
        label=_("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True, "class": "form-control"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "class": "form-control"}),
    )


class PasswordForm(forms.Form):
    """The password of whoever is signed in."""

    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(
            attrs={"autocomplete": "current-password", "autofocus": True, "class": "form-control"}
        ),
    )


class CodeForm(forms.Form):
    """A code of an authenticator app, or a recovery code."""

    code = forms.CharField(
        label=_("Code"),
        max_length=40,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "autocapitalize": "none",
                "spellcheck": "false",
                "class": "form-control",
            }
        ),
    )


class PasskeyForm(forms.Form):
    """A passkey that the browser has made."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("Such as the device that it is on."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True, "class": "form-control"}),
    )
    answer = forms.CharField(max_length=LONGEST_ANSWER, widget=forms.HiddenInput)


class PasswordForgottenForm(forms.Form):
    """Asking for a link."""

    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True, "class": "form-control"}),
    )


class NewPasswordForm(forms.Form):
    """A new password, twice."""

    password = forms.CharField(
        label=_("New password"),
        max_length=4096,
        strip=False,
        help_text=password_validation.password_validators_help_text_html,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "form-control"}),
    )
    again = forms.CharField(
        label=_("The same again"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "form-control"}),
    )

    def clean(self) -> dict[str, Any]:
        """Both have to be the same."""
        cleaned = super().clean() or {}
        if cleaned.get("password") and cleaned.get("again") and cleaned["password"] != cleaned["again"]:
            self.add_error("again", _("The two are not the same."))
        return cleaned


class PasswordChangeForm(NewPasswordForm):
    """The present password, and a new one twice."""

    present = forms.CharField(
        label=_("Present password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "class": "form-control"}),
    )
    field_order = ["present", "password", "again"]


class InvitedForm(NewPasswordForm):
    """An account of one's own: name, and a password twice."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True, "class": "form-control"}),
    )
    field_order = ["name", "password", "again"]


class NameForm(forms.ModelForm[User]):
    """One's own name."""

    class Meta:
        model = User
        fields = ["name"]
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "name", "class": "form-control"})}


class ProjectForm(forms.ModelForm[Project]):
    """A new project of `owner`'s."""

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owner = owner

    class Meta:
        model = Project
        fields = ["name"]
        help_texts = {"name": _("Such as “Shop” or “Test machines”. Its members see it too.")}
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off", "autofocus": True, "class": "form-control"})}

    def clean_name(self) -> str:
        """A second one of the same name is a second click, or nobody could tell them apart."""
        name: str = self.cleaned_data["name"]
        if Project.objects.filter(name=name, memberships__user=self._owner, memberships__role=Role.OWNER).exists():
            raise forms.ValidationError(_("You have a project with this name already. Choose another name."))
        return name


class MemberForm(forms.Form):
    """Taking somebody into a project."""

    email = forms.EmailField(
        label=_("E-mail address"), max_length=254, widget=forms.EmailInput(attrs={"class": "form-control"})
    )
    role = forms.ChoiceField(
        label=_("Role"),
        choices=Role.choices,
        initial=Role.OPERATOR,
        widget=forms.Select(attrs={"class": "form-select"}),
    )


class TokenForm(forms.Form):
    """A login token."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("Such as the program that signs in with it."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True, "class": "form-control"}),
    )
    ttl_seconds = forms.TypedChoiceField(
        label=_("Good for"),
        coerce=int,
        choices=[
            (3600, _("an hour")),
            (86_400, _("a day")),
            (7 * 86_400, _("a week")),
            (30 * 86_400, _("30 days")),
            (MOST_TTL_SECONDS, _("90 days")),
        ],
        initial=86_400,
        widget=forms.Select(attrs={"class": "form-select"}),
    )


class SshKeyForm(forms.Form):
    """A public SSH key."""

    line = forms.CharField(
        label=_("Public key"),
        max_length=20_000,
        help_text=_("The line in your .pub file. New virtual machines let in who has its private half."),
        widget=forms.Textarea(
            attrs={"rows": 3, "class": "form-control", "spellcheck": "false", "placeholder": "ssh-ed25519 AAAA…"}
        ),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        required=False,
        help_text=_("Such as the computer that it is on; else its own comment."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "form-control"}),
    )
