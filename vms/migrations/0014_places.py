"""Writes down where what was done lies, as far as its target is still there."""

from collections.abc import Iterator
from typing import Any

from django.db import migrations
from django.db.models import Model

WHERE = {
    ("hypervisors", "Site"): "pk",
    ("hypervisors", "Hypervisor"): "site_id",
    ("hypervisors", "Certificate"): "hypervisor__site_id",
    ("vms", "Vm"): "hypervisor__site_id",
    ("vms", "Disk"): "hypervisor__site_id",
    ("vms", "Image"): "site_id",
}


def fill(apps: Any, _schema_editor: Any) -> None:
    events, operations = apps.get_model("accounts", "AuditEvent"), apps.get_model("operations", "Operation")
    for (app, name), where in WHERE.items():
        for key, site in _places(apps.get_model(app, name), where):
            told = {"target_type": name.lower(), "site_uuid": None}
            events.objects.filter(**told, target_id=str(key)).update(site_uuid=site)
            if app == "vms":
                operations.objects.filter(**told, target_id=key).update(site_uuid=site)


def _places(model: type[Model], where: str) -> Iterator[tuple[Any, Any]]:
    return model._default_manager.exclude(**{where: None}).values_list("pk", where).iterator()


class Migration(migrations.Migration):
    dependencies = [
        ("vms", "0013_open_networks"),
        ("accounts", "0006_sites"),
        ("operations", "0003_sites"),
        ("hypervisors", "0003_clock_offset"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
