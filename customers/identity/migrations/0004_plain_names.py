from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("identity", "0003_conflicts_and_refusals")]

    operations = [
        migrations.RenameModel("ConsentRefusal", "ConsentDenial"),
        migrations.RenameField("customer", "told_at", "field_updated_at"),
        migrations.RenameField("identitymerge", "folded_id", "merged_id"),
    ]
