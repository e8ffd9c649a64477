"""Fields of forms that more than one app has."""

from __future__ import annotations

from django import forms
from django.db.models import Model

from .sentences import isolated


class NameChoiceField(forms.ModelChoiceField[Model]):
    """A choice among rows that somebody gave a name, each isolated: an option takes no markup."""

    def label_from_instance(self, obj: Model) -> str:
        """The row's name."""
        return isolated(str(obj))
