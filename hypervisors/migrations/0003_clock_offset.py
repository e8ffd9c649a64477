from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hypervisors", "0002_metrics")]

    operations = [
        migrations.AddField(
            model_name="hypervisor",
            name="clock_offset_seconds",
            field=models.BigIntegerField(blank=True, editable=False, null=True, verbose_name="clock's offset"),
        ),
    ]
