"""Model fields of accounts."""

from __future__ import annotations

from typing import Any

from django.db import models


class LowerEmailField(models.EmailField[str, str]):
    """An e-mail address in lower case, however it is given: rows and look-ups agree, and a plain unique index does."""

    def to_python(self, value: Any) -> Any:
        """The address in lower case, without blanks around it."""
        return _lower(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        """What is stored and looked for."""
        return _lower(super().get_prep_value(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Gives the instance what is stored, too."""
        value = _lower(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value
