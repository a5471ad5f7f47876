from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('analysis', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='LookEvidence',
            fields=[
                ('iteration_id', models.UUIDField(primary_key=True, serialize=False)),
                ('as_of', models.DateTimeField()),
                ('document', models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name='SplitWatch',
            fields=[
                ('iteration_id', models.UUIDField(primary_key=True, serialize=False)),
                ('looked_at', models.DateTimeField(null=True)),
                ('alerted_at', models.DateTimeField(null=True)),
                ('confirmed_at', models.DateTimeField(null=True)),
            ],
        ),
    ]
