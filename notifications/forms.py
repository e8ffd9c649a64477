"""Forms of the webhooks' pages. They check shapes; the services decide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from common.sentences import gettext_lazy as _

from .models import Kind


class WebhookForm(forms.Form):
    """What a webhook is to be."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("Such as what listens there."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "form-control"}),
    )
    url = forms.CharField(
        label=_("Address"),
        max_length=2000,
        help_text=_("https:// only. Redirects are not followed."),
        widget=forms.URLInput(
            attrs={"autocomplete": "off", "class": "form-control", "placeholder": "https://example.org/eve"}
        ),
    )
    kinds = forms.MultipleChoiceField(label=_("Of what it is told"), widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, kinds: Iterable[Kind], **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["kinds"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(kind.value, kind.label) for kind in kinds]
        field.initial = [kind.value for kind in kinds]


class WebhookChangeForm(WebhookForm):
    """What is changed of one that is there."""

    is_on = forms.BooleanField(label=_("Send it what happens"), required=False)
