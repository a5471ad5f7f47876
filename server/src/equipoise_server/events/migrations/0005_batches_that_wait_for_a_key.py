from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0004_counts_by_sender_and_replays")]

    operations = [
        migrations.CreateModel(
            name="HeldBatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("inbox", models.CharField(max_length=64)),
                ("batch", models.PositiveBigIntegerField()),
                ("environment_id", models.UUIDField(db_index=True)),
                ("events", models.PositiveBigIntegerField()),
                ("held_at", models.DateTimeField()),
            ],
        ),
        migrations.AddConstraint(
            model_name="heldbatch",
            constraint=models.UniqueConstraint(fields=("inbox", "batch"), name="held_once"),
        ),
    ]
