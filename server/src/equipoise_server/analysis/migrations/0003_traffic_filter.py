from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('analysis', '0002_split_watch'),
    ]

    operations = [
        migrations.CreateModel(
            name='TrafficFilterVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('project_id', models.UUIDField()),
                ('version', models.PositiveIntegerField()),
                ('rules', models.JSONField()),
                ('created_at', models.DateTimeField()),
                ('author', models.CharField(max_length=200)),
                ('reason', models.TextField(blank=True, default='')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('project_id', 'version'), name='traffic_filters_are_versioned')],
            },
        ),
    ]
