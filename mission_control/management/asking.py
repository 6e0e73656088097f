"""Questions of agents in the terminal: show them, and answer them."""

import json

from mission_control.actions.answers import how_to_answer, parse_answer
from mission_control.models import Question
from mission_control.runs import questions


def described(question: Question) -> str:
    """Return the question as the terminal shows it: its text or tool call, its options, and how to answer it."""
    lines = [f"Question {question.pk}: {question.text or question.tool_name}"]
    if question.tool is not None:
        shown = json.dumps(question.tool["input"], ensure_ascii=False, indent=2)
        lines.append(f"Tool {question.tool_name}: {shown}")
    lines += [f"  {number}. {option['label']}" for number, option in enumerate(question.options, start=1)]
    return "\n".join([*lines, how_to_answer(question)])


def answer(question: Question, words: str) -> Question:
    """Answer with what a person typed. Raises Refusal."""
    return questions.answer(question.pk, **parse_answer(question, words))
