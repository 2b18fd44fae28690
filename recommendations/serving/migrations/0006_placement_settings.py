from django.db import migrations, models

PLACEMENTS = [
    "for-you",
    "similar",
    "bought-together",
    "cart",
    "buy-again",
    "trending",
    "popular",
    "new",
    "recently-viewed",
    "categories",
]


class Migration(migrations.Migration):
    dependencies = [("serving", "0005_place_names")]

    operations = [
        migrations.RemoveConstraint("scenariosettings", "serving_scenario_known"),
        migrations.RemoveConstraint("scenariosettings", "serving_shares_in_range"),
        migrations.RemoveConstraint("scenariosettings", "serving_no_fallback_to_itself"),
        migrations.RenameModel("ScenarioSettings", "PlacementSettings"),
        migrations.RenameField("placementsettings", "scenario", "placement"),
        migrations.RenameField("placementsettings", "bought", "purchased_products"),
        migrations.RenameField("placementsettings", "personal", "personal_share"),
        migrations.AddConstraint(
            "placementsettings",
            models.CheckConstraint(condition=models.Q(placement__in=PLACEMENTS), name="serving_placement_known"),
        ),
        migrations.AddConstraint(
            "placementsettings",
            models.CheckConstraint(
                condition=models.Q(personal_share__range=(0, 1), diversity__range=(0, 1), rotation__range=(0, 1)),
                name="serving_shares_in_range",
            ),
        ),
        migrations.AddConstraint(
            "placementsettings",
            models.CheckConstraint(
                condition=~models.Q(fallback=models.F("placement")), name="serving_no_fallback_to_itself"
            ),
        ),
    ]
