"""Forms by which staff look after users and projects. They check shapes; the services decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from accounts.models import Project, User
from common.fields import NameChoiceField
from common.sentences import gettext_lazy as _

FLAGS = ("is_staff", "is_site_limited", "is_superuser")


class UserForm(forms.ModelForm[User]):
    """Somebody who signs in; what makes staff of them is shown to superusers only."""

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not by.is_superuser:
            for name in FLAGS:
                del self.fields[name]

    class Meta:
        model = User
        fields = ("email", "name", "remarks", *FLAGS)
        widgets = {
            "email": forms.EmailInput(attrs={"autocomplete": "off", "class": "form-control"}),
            "name": forms.TextInput(attrs={"autocomplete": "off", "class": "form-control"}),
            "remarks": forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
            **{name: forms.CheckboxInput(attrs={"class": "form-check-input"}) for name in FLAGS},
        }
        help_texts = {
            "remarks": _("For staff. The user does not see them."),
            "is_superuser": _("May do everything, also make staff of others."),
        }
        labels = {"is_superuser": _("Superuser")}

    def changes(self) -> dict[str, Any]:
        """What was changed, for the service."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


class ProjectChangeForm(forms.ModelForm[Project]):
    """A project's name and remarks."""

    class Meta:
        model = Project
        fields = ("name", "remarks")
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "off", "class": "form-control"}),
            "remarks": forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
        }

    def changes(self) -> dict[str, Any]:
        """What was changed, for the service."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


class ProjectNewForm(ProjectChangeForm):
    """A new project, with its first owner."""

    owner = forms.EmailField(
        label=_("First owner"),
        help_text=_("The e-mail address of somebody with an account."),
        widget=forms.EmailInput(attrs={"autocomplete": "off", "class": "form-control"}),
    )
    field_order = ("name", "owner", "remarks")

    def __init__(self, *args: Any, users: QuerySet[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._users = users

    def clean_owner(self) -> User:
        """Somebody whom the staff member looks after."""
        owner = self._users.filter(email=self.cleaned_data["owner"].lower(), is_active=True).first()
        if owner is None:
            raise forms.ValidationError(_("Nobody who may sign in has that address. Make the user first."))
        return owner


class TransferForm(forms.Form):
    """Where a project's machines shall go."""

    to = NameChoiceField(
        label=_("Project"), queryset=Project.objects.none(), widget=forms.Select(attrs={"class": "form-select"})
    )

    def __init__(self, *args: Any, projects: QuerySet[Project], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["to"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = projects
