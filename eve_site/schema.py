"""The API's description, as `/api/v1/schema` answers it."""

from __future__ import annotations

import functools
from threading import Lock
from typing import Any, Final

from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from yaml.representer import SafeRepresenter

from common.problems import CONTENT_TYPE
from common.sentences import Sentence

_RENDERERS: Final[dict[str, type[BaseRenderer]]] = {"yaml": OpenApiYamlRenderer, "json": OpenApiJsonRenderer}
_making = Lock()
SafeRepresenter.add_multi_representer(
    Sentence, lambda writer, text: writer.represent_str(str.__str__(text))
)  # YAML's writer takes plain texts only


@method_decorator([conditional_page, cache_control(no_cache=True)], name="dispatch")
class SchemaView(SpectacularAPIView):
    """OpenAPI, as YAML or JSON; who has it already is told so."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """The same for everybody, in the form and language that the request asks for."""
        renderer: BaseRenderer = request.accepted_renderer
        form = str(renderer.format)
        with _making:  # those who ask at once wait for the first
            content = schema_written(form, get_language() or "")
        response = HttpResponse(content, content_type=_content_type(renderer))
        response["Content-Disposition"] = f'inline; filename="Eve.{form}"'
        return response


@functools.cache
def schema_written(form: str, language: str) -> bytes:
    """The description, done once for each form and language: it takes a core half a second, and never changes while the process lives.

    Args:
        form: ``yaml`` or ``json``.
        language: the one that is active.
    """
    schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    written: bytes | str = _RENDERERS[form]().render(schema, renderer_context={})
    return written if isinstance(written, bytes) else written.encode()


def problems_described(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """The library's hook: what an operation answers beside what it says itself are problems."""
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    answer = {"description": "It was refused, or failed.", "content": {CONTENT_TYPE: problem}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("default", answer)
    return result


def _content_type(renderer: BaseRenderer) -> str:
    return f"{renderer.media_type}; charset={renderer.charset}" if renderer.charset else str(renderer.media_type)
