"""`manage.py answer [QUESTION [ANSWER]]`: list the open questions of agents, or answer one."""

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from mission_control.errors import Refusal
from mission_control.management import asking
from mission_control.management.base import DatabaseCommand
from mission_control.models import Question
from mission_control.terminal import terminal_text
from mission_control.text import as_uuid

REFUSED = 4
LISTED = 100


class Command(DatabaseCommand):
    help = (
        "List the open questions of agents, or answer one. Exit status: 0 listed or answered, 4 refused (unknown "
        "question, not open any more, or an answer that it does not allow), 69 the database is unavailable."
    )
    no_database_status = 69

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("question", nargs="?", help="its id (default: list the open ones)")
        parser.add_argument(
            "answer",
            nargs="*",
            help="the number, id or label of an option, or a text; for an approval y, a or n, and perhaps a "
            "reason (default: ask for it)",
        )

    def handle(self, *, question: str | None, answer: list[str], **options: Any) -> None:
        if question is None:
            self.list_open()
            return
        found = self.found(question)
        words = " ".join(answer) if answer else self.typed(found)
        try:
            answered = asking.answer(found, words)
        except Refusal as refusal:
            raise CommandError(refusal.detail, returncode=REFUSED) from None
        self.say(f"Answered: {answered}")

    def list_open(self) -> None:
        found = list(Question.objects.open().order_by("created_at", "id")[:LISTED])
        for question in found:
            self.say(asking.described(question) + "\n")
        if not found:
            self.say("No agent waits for an answer.")

    def found(self, given: str) -> Question:
        """Return the question with this id. Raises CommandError."""
        key = as_uuid(given)
        question = Question.objects.filter(pk=key).first() if key else None
        if question is None:
            raise CommandError(f"no question has the id '{given}'", returncode=REFUSED)
        return question

    def typed(self, question: Question) -> str:
        """Show the question and return what the person types. Raises CommandError if there is no terminal."""
        if not sys.stdin.isatty():
            raise CommandError("give the answer as an argument: there is no terminal to ask", returncode=REFUSED)
        self.say(asking.described(question))
        try:
            return input("> ")
        except EOFError:
            raise CommandError("no answer was given", returncode=REFUSED) from None

    def say(self, text: str) -> None:
        self.stdout.write(terminal_text(text) if sys.stdout.isatty() else text)
