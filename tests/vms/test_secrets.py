"""What a first boot is told stays between who wrote it and the host: in no row that stays, no answer, no page, no log."""

from __future__ import annotations

import json

import pytest
from django.apps import apps
from django.core import serializers
from django.db.models import Model

from operations.claims import operation_claim
from operations.worker import operation_run
from tests.cast import Cast
from vms.handlers import creating
from vms.models import Image, ImageState, Seed, Vm

from .stub_host import GIB, StubHost, equip

PASSWORD, USER_DATA, NETWORK = "canary-password 7", "canary-user-data", "canary-network"


def database(*without: type[Model]) -> str:
    """Every row of every table but these."""
    models = [model for model in apps.get_models() if model not in without]
    return "".join(serializers.serialize("json", model._base_manager.all()) for model in models)


@pytest.mark.parametrize("way", ["api", "page"])
@pytest.mark.parametrize("fails", [False, True])
def test_it_is_told_to_nobody(
    cast: Cast,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    way: str,
    fails: bool,
) -> None:
    equip(cast.hypervisor_here)
    host = StubHost()
    monkeypatch.setattr(creating, "AgentClient", host.client)
    image = Image.objects.create(name="Debian", site=cast.here, state=ImageState.READY, virtual_bytes=GIB)
    host.has_image(image.pk)
    told = {
        "password": PASSWORD,
        "user_data": f"#cloud-config\nx: {USER_DATA}\n",
        "network_config": f"version: 2\n# {NETWORK}\n",
    }
    if way == "api":
        body = {"name": "web", "vcpus": 1, "memory_bytes": GIB, "image": str(image.pk), "project": str(cast.acme.pk)}
        headers = {"Idempotency-Key": "once"}
        answer = cast.api(cast.owner).post("/api/v1/vms", {**body, **told}, format="json", headers=headers)
        assert answer.status_code == 202, answer.content
    else:
        form = {
            "name": "web",
            "size": "own",
            "vcpus": "1",
            "memory_gib": "1",
            "image": str(image.pk),
            "project": str(cast.acme.pk),
            "key": "4e1f0c57-7a4e-4a52-9d9e-0d6a2ce9a001",
            "start": "on",
        }
        assert cast.pages(cast.owner).post("/vms/new/", {**form, **told}).status_code == 302
    vm = Vm.objects.get(name="web")
    said = [database(Seed)]
    assert USER_DATA in Seed.objects.get().user_data
    if fails:
        monkeypatch.setattr(host, "domain_define", _fail)
    operation = operation_claim(worker="w")
    assert operation is not None
    operation_run(operation)
    assert not Seed.objects.exclude(user_data="", network_config="").exists()
    assert host.seeds == {} if fails else USER_DATA in host.seeds[vm.pk].user_data
    for user in (cast.owner, cast.viewer, cast.superuser):
        api, pages = cast.api(user), cast.pages(user)
        asked = (f"/api/v1/vms/{vm.pk}", f"/api/v1/operations/{operation.pk}", "/api/v1/audit", "/api/v1/vms")
        said += [api.get(address).content.decode() for address in asked]
        asked = (f"/vms/{vm.pk}/", f"/vms/{vm.pk}/hardware/", "/activity/", "/")
        said += [pages.get(address).content.decode() for address in asked]
    printed = capsys.readouterr()
    said += [database(), caplog.text, printed.out, printed.err, json.dumps(operation.arguments)]
    for text in said:
        for canary in (PASSWORD, USER_DATA, NETWORK):
            assert canary not in text


def _fail(*_: object) -> None:
    raise RuntimeError("a fault of the host's")
