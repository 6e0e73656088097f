"""Serializers to request plans, and to read the analysis of a goal."""

from typing import Any

from rest_framework import serializers

from agents.rules import GOAL_CHARS
from mission_control.api.fields import Choice, Data, Text
from mission_control.planning.answers import DEPTHS, BadAnswer, GoalAnalysis


class GoalField(Text):
    """The goal in the user's own words, stored verbatim."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"trim_whitespace": False, "style": {"base_template": "textarea.html"}, **kwargs}
        super().__init__(min_length=GOAL_CHARS[0], max_length=GOAL_CHARS[1], **kwargs)


class AnalysisField(Data):
    """An analysis as returned by `parse-goal`, possibly edited. Unknown keys and nulls are ignored."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        given = super().to_internal_value(data)
        return {name: given[name] for name in GoalAnalysis.model_fields if given.get(name) is not None}


class GoalRequest(serializers.Serializer):
    description = GoalField()


class PlanRequest(GoalRequest):
    research_depth = Choice(choices=["auto", *DEPTHS], default="auto")
    goal_analysis = AnalysisField(required=False, allow_null=True)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Turn the analysis into a GoalAnalysis; an empty one counts as missing. Raises ValidationError."""
        analysis = given.get("goal_analysis") or None
        try:
            given["goal_analysis"] = analysis and GoalAnalysis.completed(analysis, given["description"])
        except BadAnswer as error:
            raise serializers.ValidationError({"goal_analysis": str(error)}) from None
        return given


class GoalAnalysisReader(serializers.Serializer):
    goal = serializers.CharField()
    domain = serializers.ChoiceField(
        choices=["code", "business", "creative", "education", "events", "home", "hybrid"]
    )
    sub_domains = serializers.ListField(child=serializers.CharField())
    complexity = serializers.ChoiceField(choices=["S", "M", "L", "XL"])
    estimated_phases = serializers.IntegerField(min_value=1)
    ai_capabilities = serializers.ListField(child=serializers.CharField())
    human_requirements = serializers.ListField(child=serializers.CharField())
    constraints_detected = serializers.ListField(child=serializers.CharField())
    clarifications_needed = serializers.ListField(child=serializers.CharField())
    suggested_research_depth = serializers.ChoiceField(choices=DEPTHS)
    confidence = serializers.FloatField(min_value=0, max_value=1)


class GoalParsed(serializers.Serializer):
    success = serializers.ChoiceField(choices=[True])
    goal_analysis = GoalAnalysisReader()
