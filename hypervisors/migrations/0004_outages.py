from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hypervisors", "0003_clock_offset")]

    operations = [
        migrations.CreateModel(
            name="Outage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "waiting for enrolment"),
                            ("online", "online"),
                            ("offline", "away"),
                            ("libvirt_down", "libvirt is down"),
                            ("rejected", "not trusted"),
                            ("revoked", "revoked"),
                        ],
                        max_length=15,
                        verbose_name="state",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500, verbose_name="why")),
                ("began_at", models.DateTimeField(verbose_name="from")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="until")),
                (
                    "hypervisor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="outages",
                        to="hypervisors.hypervisor",
                        verbose_name="hypervisor",
                    ),
                ),
            ],
            options={
                "verbose_name": "outage",
                "verbose_name_plural": "outages",
                "ordering": ["-began_at"],
                "indexes": [models.Index(fields=["hypervisor", "began_at"], name="hypervisors_hypervi_489c9b_idx")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)), fields=("hypervisor",), name="outage_one_under_way"
                    )
                ],
            },
        ),
    ]
