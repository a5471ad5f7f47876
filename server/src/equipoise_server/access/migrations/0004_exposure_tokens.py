from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0003_pseudonymised_projects")]

    operations = [
        migrations.AddField(
            model_name="environment",
            name="exposure_tokens",
            field=models.CharField(default="off", max_length=16),
        ),
        migrations.CreateModel(
            name="ExposureTokenKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("number", models.PositiveIntegerField()),
                ("secret", models.CharField(max_length=64)),
                ("made_at", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="token_keys",
                        to="access.environment",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="exposuretokenkey",
            constraint=models.UniqueConstraint(fields=("environment", "number"), name="token_key_number_once"),
        ),
    ]
