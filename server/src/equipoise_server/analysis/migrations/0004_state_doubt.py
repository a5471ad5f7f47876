"""Runs whose state differs from the raw events."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("analysis", "0003_traffic_filter")]

    operations = [
        migrations.CreateModel(
            name="StateDoubt",
            fields=[
                ("iteration_id", models.UUIDField(primary_key=True, serialize=False)),
                ("found_at", models.DateTimeField()),
                ("told", models.TextField()),
            ],
        ),
    ]
