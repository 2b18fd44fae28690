from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0002_roles")]
    operations = [
        migrations.RemoveConstraint(model_name="idempotentanswer", name="access_answer_once"),
        migrations.RenameModel("IdempotentAnswer", "IdempotentResponse"),
        migrations.RenameField("role", "given", "granted"),
        migrations.AddConstraint(
            model_name="idempotentresponse",
            constraint=models.UniqueConstraint(fields=["api_key", "idempotency_key"], name="access_response_once"),
        ),
    ]
