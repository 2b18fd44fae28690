from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0006_propensities")]

    operations = [
        migrations.RenameModel("SeenSession", "CountedSession"),
        migrations.RenameModel("RecountDue", "PendingRecount"),
        migrations.RenameField("customerprofile", "next_flip_at", "next_stage_change_at"),
        migrations.RenameField("customerprofile", "favourite_categories", "favorite_categories"),
        migrations.RenameField("customerprofile", "favourite_brands", "favorite_brands"),
        migrations.RenameField("customerprofile", "favourite_hours", "favorite_hours"),
        migrations.RenameField("stagerules", "alive_below", "min_p_alive"),
        migrations.RenameField("stagerules", "in_force_from", "effective_from"),
        migrations.RenameField("stagerules", "buying", "purchase_model"),
        migrations.RenameField("scoremodel", "learnt_by", "trained_by"),
    ]
