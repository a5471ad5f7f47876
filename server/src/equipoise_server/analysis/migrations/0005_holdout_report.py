from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('analysis', '0004_state_doubt'),
    ]

    operations = [
        migrations.CreateModel(
            name='HoldoutReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('holdout_id', models.UUIDField()),
                ('environment_id', models.UUIDField()),
                ('season', models.PositiveIntegerField()),
                ('computed_at', models.DateTimeField()),
                ('report', models.JSONField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('holdout_id', 'environment_id', 'season'), name='one_holdout_report')],
            },
        ),
    ]
