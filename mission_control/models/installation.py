"""The version that last changed the database schema."""

from django.db import models


class Installation(models.Model):
    """A single row with the version that last changed the schema; `health/versions.py` writes it."""

    THE_ROW = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=THE_ROW, editable=False)
    schema_version = models.CharField(max_length=50)
    migrated_at = models.DateTimeField(auto_now=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="installation_is_one_row")]

    def __str__(self) -> str:
        return self.schema_version
