"""Names that are written from right to left: on every page each stands by itself, and leaves the order of the rest alone."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import models
from django.test import Client
from django.utils import timezone
from lxml import html

from common.sentences import END, ISOLATE
from tests.cast import Cast
from tests.security import test_objects as objects
from vms.models import Vm, VmState

HEBREW = "שרת-7 (בדיקה)"
"""With a number and brackets at its end: what would change places with the words beside it."""
SPOKEN: tuple[str, ...] = ("title", "alt", "aria-label", "aria-description", "placeholder", "label", "data-copied")
SPOKEN += ("data-confirm-title", "data-confirm-text", "data-confirm-verb", "data-confirm-keep")
AS_IT_IS = {"script", "style", "textarea", "code", "pre"}
OF_DJANGO = ("/admin/",)
LEAST = {"owner": 25, "superuser": 30}
"""On so many pages there are names: else a sweep would prove nothing."""
ISOLATED = re.compile(f"{ISOLATE}[^{ISOLATE}{END}]*{END}")


@pytest.fixture
def hebrew(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Cast:
    """All that has a name in the sweep of all addresses has a Hebrew one."""
    world: Cast = objects.world.__wrapped__(cast)
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if not isinstance(field, models.CharField | models.TextField | models.JSONField):
                continue
            if isinstance(field, models.EmailField) or field.name in ("email", "pool", "address", "url", "line", "png"):
                continue
            for row in model._default_manager.all():
                value = getattr(row, field.name)
                new = renamed(value)
                if new != value:
                    model._default_manager.filter(pk=row.pk).update(**{field.name: new})
    for part in (cast.owner, cast.acme, cast.here, cast.hypervisor_here, cast.acme_vm):
        part.refresh_from_db()
    return world


def renamed(value: object) -> object:
    """The same, with a Hebrew name in place of each canary's."""
    if isinstance(value, str):
        return re.sub(rf"{objects.PREFIX}-(?![\w-]*@)[a-z]+", HEBREW, value)
    if isinstance(value, dict):
        return {key: renamed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(each) for each in value]
    return value


def mixed_up(page: str) -> Iterator[str]:
    """Where a name of a page is not isolated."""
    for element in html.document_fromstring(page.encode(), parser=html.HTMLParser(encoding="utf-8")).iter():
        if not isinstance(element.tag, str):
            continue
        yield from (
            f"{element.tag}[{name}]: {element.get(name)}" for name in SPOKEN if is_bare(element.get(name) or "")
        )
        if element.tag in AS_IT_IS or element.tag == "bdi" or element.get("dir") == "auto":
            pass
        elif is_bare(element.text or ""):
            yield f"{element.tag}: {(element.text or '').strip()}"
        yield from (
            f"{element.tag}, after {child.tag}: {(child.tail or '').strip()}"
            for child in element
            if is_bare(child.tail or "")
        )


def is_bare(text: str) -> bool:
    """Whether a name is in a text that mixes it up with the rest."""
    return HEBREW[:3] in ISOLATED.sub("", text)


def pages(client: Client, cast: Cast) -> Iterator[tuple[str, str]]:
    """Every page of Eve that can be read, in all states of the machine that look different."""
    for state in (VmState.RUNNING, VmState.OFF, VmState.UNKNOWN, VmState.MISSING):
        Vm.objects.update(state=state, state_since=timezone.now() - dt.timedelta(days=1))
        for address in objects.addresses(cast):
            if address.is_api or address.path.startswith(OF_DJANGO) or address.name in ("logout", "metrics"):
                continue
            answer = client.get(address.path)
            if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
                yield f"{address.path} ({state})", answer.content.decode()


@pytest.mark.parametrize("who", LEAST)
def test_on_every_page_a_name_stands_by_itself(hebrew: Cast, who: str) -> None:
    found, seen = set(), set()
    for where, page in pages(objects.client_of(hebrew, who), hebrew):
        found |= {f"{fault}   [{where}]" for fault in mixed_up(page)}
        if HEBREW[:3] in page:
            seen.add(where.partition(" ")[0])
    assert "\n".join(sorted(found)) == ""
    assert len(seen) >= LEAST[who], seen
