"""The limit on concurrent runs."""

from django.conf import settings
from django.db import models

from mission_control.compat.django_models import PreparedLookup


class Capacity(models.Model):
    """How many runs may hold a slot at once: a single row that every process reads."""

    THE_ROW = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=THE_ROW, editable=False)
    limit = models.PositiveSmallIntegerField(default=5, help_text="Maximum concurrent runs. Applies to new runs.")

    # The environment's value that was applied last: only a different one overrides the admin's setting.
    applied_setting = models.PositiveSmallIntegerField(null=True, editable=False)

    class Meta:
        verbose_name_plural = "capacity"
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="capacity_is_one_row"),
            models.CheckConstraint(
                condition=models.Q(limit__gte=1, limit__lte=1000), name="capacity_limit_1_to_1000"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.limit} at once"

    @classmethod
    def current(cls) -> "Capacity":
        """Return the row. A migration creates it; after a `flush` it is created again from the setting."""
        row = ROW.get(cls.THE_ROW)
        if row is None:
            row, _ = cls.objects.get_or_create(pk=cls.THE_ROW, defaults={"limit": settings.MAX_CONCURRENT_TASKS})
        return row


ROW = PreparedLookup(Capacity.objects.all)
