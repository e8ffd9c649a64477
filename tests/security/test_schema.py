"""Made-up requests by the OpenAPI schema: no fault inside Eve, and answers as the schema says, for each kind of caller."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import content_type_conformance, not_a_server_error, response_schema_conformance

from hypervisors.models import Certificate
from tests.cast import Cast

from . import test_objects

EXAMPLES = 12
"""Of each operation and caller."""
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
NOT_ASKED = re.compile(
    r"(/hypervisors/\{\w+\}/test|PATCH \S*/consoles/\{\w+\}|/consoles/\{\w+\}/hand-over"
    r"|/vms/\{\w+\}/(screenshot|console/typing|guest|guest/\w+)|POST \S*/vms/\{\w+\}/screenshots)$"
)
"""They ask a host, and there is none: 503, and the steps of a test that fails, are no faults."""

world = test_objects.world


@pytest.fixture(autouse=True)
def kept_connection() -> Iterator[None]:
    """The test's transaction outlives each request, as with Django's own test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("who", ["superuser", "owner"])
def test_no_request_is_a_fault_of_eves(world: Cast, who: str) -> None:
    """With the ids of things that are there, and anything else that the schema allows, or does not."""
    ids = {name: str(value) for name, value in test_objects.ids_of(world).items()}
    Certificate.objects.all().delete()  # of no CA that there is
    headers = {"Authorization": f"Bearer {world.token(getattr(world, who))}"}
    api = schemathesis.openapi.from_wsgi("/api/v1/schema", get_wsgi_application())
    asked: dict[str, set[int]] = {}

    for found in api.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr] # an operation that is no operation fails here
        if NOT_ASKED.search(operation.label):
            continue

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy() | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        def ask(case: Case[Any]) -> None:
            case.path_parameters = {name: ids[name] for name in case.path_parameters or {}}
            with transaction.atomic():
                response: Any = case.call(headers=headers)
                transaction.set_rollback(True)
            asked.setdefault(case.operation.label, set()).add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        ask()
    assert sum(min(statuses) < 300 for statuses in asked.values()) > len(asked) / 4, asked
