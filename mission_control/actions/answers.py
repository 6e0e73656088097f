"""Answers to questions as people type them in a terminal or in the admin."""

from typing import Any

from mission_control.models import Question

DECISION_WORDS = {
    **dict.fromkeys(("y", "yes", "allow"), "allow"),
    **dict.fromkeys(("a", "always", "allow_for_run"), "allow_for_run"),
    **dict.fromkeys(("n", "no", "deny"), "deny"),
}
HOW_TO_DECIDE = "y = allow, a = allow for this run, n = deny; a reason may follow"


def how_to_answer(question: Question) -> str:
    """Return one sentence about what can be typed."""
    if question.kind == Question.Kind.APPROVAL:
        return f"{HOW_TO_DECIDE}."
    return "Type a number, or an answer of your own." if question.options else "Type the answer."


def parse_answer(question: Question, words: str) -> dict[str, Any]:
    """Return the arguments of `questions.answer` for what a person typed.

    For an approval `y`, `a` or `n` (or the decision), perhaps with a reason; for a question the number, id or
    label of an option, otherwise any text.
    """
    words = words.strip()
    if question.kind == Question.Kind.APPROVAL:
        first, _, reason = words.partition(" ")
        decision = DECISION_WORDS.get(first.lower().rstrip(",:."), first)
        return {"decision": decision, "reason": reason.strip()}
    for number, option in enumerate(question.options, start=1):
        if words in (option["id"], str(number)) or words.casefold() == option["label"].casefold():
            return {"choice": option["id"]}
    return {"text": words}
