"""Serializers to read reviews, and to write the feedback that decides one."""

from rest_framework import serializers

from mission_control.api.fields import Description, References
from mission_control.api.serializers.reader import Reader
from mission_control.models import Review, Task


class ReviewReader(Reader):
    task_id = serializers.UUIDField()
    run_id = serializers.UUIDField(allow_null=True, help_text="The run whose result is under review.")
    decided_by = serializers.SerializerMethodField(help_text="The user's name; null while the review is open.")

    class Meta:
        model = Review
        fields = [
            "id",
            "task_id",
            "run_id",
            "round",
            "status",
            "reason",
            "feedback",
            "decided_by",
            "opened_at",
            "decided_at",
            "reminded_at",
        ]
        read_only_fields = fields

    def get_decided_by(self, review: Review) -> str | None:
        return review.decided_by.get_username() if review.decided_by else None


class ChangesRequest(serializers.Serializer):
    feedback = Description(required=True, allow_blank=False, trim_whitespace=True)
    task_ids = References(
        Task.objects.all(),
        source="rejected",
        help_text="For a review task: which of the reviewed tasks to send back. By default all.",
    )
