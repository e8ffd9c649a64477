from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vms", "0008_rescue")]

    operations = [
        migrations.AddIndex(
            model_name="vm",
            index=models.Index(fields=["project", "state", "name", "id"], name="vms_vm_project_368ea7_idx"),
        ),
        migrations.AddIndex(
            model_name="vm",
            index=models.Index(fields=["hypervisor", "state", "name", "id"], name="vms_vm_hypervi_3391cf_idx"),
        ),
    ]
