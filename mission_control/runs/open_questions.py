"""The open questions of a run, which end with it."""

import uuid

from django.utils import timezone

from mission_control.actions import notifications
from mission_control.actions.activity import note_run
from mission_control.models import Activity, Notification, Question, Run

Status = Question.Status


def open_of(run_id: uuid.UUID) -> list[Question]:
    """Return the run's open questions, oldest first."""
    return list(Question.objects.open().filter(run_id=run_id).order_by("created_at", "id"))


def cancel_open(run_id: uuid.UUID) -> int:
    """Cancel the run's open questions, in the transaction that ends it; return how many there were.

    The caller holds the lock on the run's row, so no question is created or answered meanwhile.
    """
    if not Question.objects.open().filter(run_id=run_id).exists():  # the usual case, without a lock
        return 0
    run = Run.objects.light().select_related("task", "agent").get(pk=run_id)
    found = open_of(run_id)
    for question in found:
        question.status = Status.CANCELLED
        Question.objects.open().filter(pk=question.pk).update(status=Status.CANCELLED)
        close(question, run, f"A question of {run.agent_name} on “{run.task_title}” was cancelled: the run ended")
    return len(found)


def close(question: Question, run: Run, sentence: str) -> None:
    """Write what follows from the end of a question, in the transaction that ended it."""
    Notification.objects.filter(
        type=Notification.Type.QUESTION,
        read_at=None,
        source_task_id=question.task_id,
        metadata__question_id=str(question.pk),
    ).update(read_at=timezone.now())
    note_question(question, run, sentence)


def note_question(question: Question, run: Run, sentence: str) -> Activity:
    """Store one activity about a question of this run; the relay sends the question's frame for it."""
    return note_run(run, sentence, question_id=str(question.pk), question_status=str(question.status))


def notify(question: Question, run: Run, sentence: str) -> None:
    """Notify people of a new question, in the caller's transaction."""
    notifications.create(
        Notification.Type.QUESTION,
        sentence,
        task=run.task,
        run_id=str(run.pk),
        question_id=str(question.pk),
    )
