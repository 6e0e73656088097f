"""The live groups of workers."""

from django.db import models


class WorkerGroup(models.Model):
    """A live `manage.py worker`. It sends a heartbeat every few seconds; its row is deleted when it ends."""

    group = models.CharField(primary_key=True, max_length=64)
    host = models.CharField(max_length=255)
    workers = models.PositiveIntegerField(default=0, help_text="Number of processes that run agents.")
    pid = models.PositiveIntegerField()
    beat_at = models.DateTimeField()
    # Jobs are signed: a worker with another secret key would refuse them, and no run would ever start.
    key_fingerprint = models.CharField(max_length=16)

    class Meta:
        ordering = ["host", "pid"]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
