"""Fields of forms, for any app."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Model

from .sentences import isolated


class NameChoiceField(forms.ModelChoiceField[Model]):
    """A choice among rows that somebody gave a name, each isolated: an option takes no markup."""

    def label_from_instance(self, obj: Model) -> str:
        """The row's name."""
        return isolated(str(obj))


class NamedField(forms.BoundField):
    """A field that says what it is, where only the head of its column does."""

    def build_widget_attrs(self, attrs: dict[str, Any], widget: forms.Widget | None = None) -> dict[str, Any]:
        """With its name."""
        named = {} if self.is_hidden else {"aria-label": self.label}
        return {**super().build_widget_attrs(attrs, widget), **named}
