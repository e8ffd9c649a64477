from django.db import migrations, models

GIB = 2**30
SIZES = (("Small", 1, 1, 10), ("Medium", 2, 4, 40), ("Large", 4, 8, 80), ("Extra large", 8, 16, 160))
"""Name, vCPUs, GiB of memory, GiB of disk."""


def sizes_offer(apps, schema_editor):
    """Something to choose from on the first day; staff change it as they like."""
    size = apps.get_model("vms", "Size")
    if not size.objects.exists():
        for name, vcpus, memory, disk in SIZES:
            size.objects.create(name=name, vcpus=vcpus, memory_bytes=memory * GIB, disk_bytes=disk * GIB)


class Migration(migrations.Migration):
    dependencies = [("vms", "0002_machines")]

    operations = [
        migrations.AddField(
            model_name="quota",
            name="images",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="images"),
        ),
        migrations.AlterField(
            model_name="image",
            name="state",
            field=models.CharField(
                choices=[
                    ("coming", "on its way"),
                    ("ready", "ready"),
                    ("failed", "failed"),
                    ("removing", "being deleted"),
                ],
                default="coming",
                editable=False,
                max_length=10,
                verbose_name="state",
            ),
        ),
        migrations.RunPython(sizes_offer, migrations.RunPython.noop),
    ]
