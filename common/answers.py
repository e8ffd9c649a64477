"""Pages and answers that are gone once they are written.

What Django and DRF make for one holds itself: a page's context, a view and its response, each serializer and its fields, and so
every row that was shown. It would stay until Python's collector goes through all that came since the start, with all consoles waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, cast

from django.http import HttpRequest
from django.template import TemplateDoesNotExist
from django.template.backends.django import DjangoTemplates, Template, reraise
from django.template.context import make_context
from django.utils.safestring import SafeString
from rest_framework.renderers import JSONRenderer
from rest_framework.serializers import Serializer


class Templates(DjangoTemplates):
    """Django's templates."""

    def get_template(self, template_name: str) -> Template:
        """The template of that name."""
        return _Template(super().get_template(template_name).template, self)


class _Template(Template):
    def render(self, context: dict[str, Any] | None = None, request: HttpRequest | None = None) -> SafeString:
        made = make_context(context, request, autoescape=self.backend.engine.autoescape)
        try:
            return self.template.render(made)
        except TemplateDoesNotExist as error:
            reraise(error, self.backend)
        finally:
            made.dicts.clear()


class JsonRenderer(JSONRenderer):
    """DRF's. Views are done when their answers are written."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """The answer as JSON."""
        written: bytes = super().render(data, accepted_media_type, renderer_context)
        if renderer_context:
            context = cast(dict[str, Any], renderer_context)
            vars(context["view"]).clear()
            context["request"].parser_context.clear()
            context.clear()
        return written


@cache
def _serializer(kind: type[Serializer[Any]]) -> Serializer[Any]:
    return kind()


def represented(kind: type[Serializer[Any]], things: Iterable[Any]) -> list[Any]:
    """What ``kind(things, many=True).data`` is, for a serializer that needs no context: one does it for all answers."""
    serializer = _serializer(kind)
    return [serializer.to_representation(thing) for thing in things]
