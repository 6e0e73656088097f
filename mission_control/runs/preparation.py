"""Prepare a run before its agent is called: working folder, prompt, and the conversation to continue."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from agents.backends.base import BackendError, Session
from agents.models import Agent
from mission_control.models import Conversation, Deliverable, Review, Run, Task
from mission_control.runs.attached_files import folder_of
from mission_control.runs.events import output_of
from mission_control.runs.guidance import guidance_for
from mission_control.runs.inputs import Input, all_inputs, continuation_of
from mission_control.runs.prompt_sections import Source, notice_of
from mission_control.runs.prompt_sources import correspondence_of
from mission_control.runs.prompts import Brief, build_prompt, continued_prompt, cuts_of, follow_up_message
from mission_control.text import storable


def workdir_of(run: Run) -> Path:
    """Return the working folder of the run's agent; create it if needed."""
    folder = folder_of(run.project, run.task_id or run.pk)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def prepare(
    run: Run, *, budget_chars: int, is_continued: bool = False, inputs: Sequence[Input] = ()
) -> tuple[str, str]:
    """Build the run's prompt and store it on the run; return it with a notice about text that was left out.

    The prompt of a continued run has what its agent wrote before, and what people said to it: what is in the log,
    and `inputs`. Creates the working folder. Raises BackendError.
    """
    brief = brief_of(run, budget_chars=budget_chars)
    prompt = storable(build_prompt(brief, budget_chars=budget_chars))
    if is_continued:
        known = {said.key for said in inputs}
        said = continuation_of([*(said for said in all_inputs(run) if said.key not in known), *inputs])
        prompt = storable(continued_prompt(prompt, output_of(run.pk), said, fence=brief.fence))
    Run.objects.filter(pk=run.pk, claim_token=run.claim_token).update(prompt=prompt)
    cut = cuts_of(brief, budget_chars=budget_chars)
    notices = [*brief.notices, *([notice_of(cut, budget_chars=budget_chars)] if cut else [])]
    return prompt, "\n".join(notices)


def follow_up_of(run: Run, *, budget_chars: int) -> str:
    """Return what an agent is sent that continues an earlier run's conversation. Raises BackendError."""
    brief = brief_of(run, budget_chars=budget_chars)
    return storable(follow_up_message(brief, budget_chars=budget_chars))


def earlier_conversation(run: Run) -> tuple[str, Any]:
    """Return the conversation of the agent's last attempt at the task, its id and state, to continue it.

    It does not matter how that attempt ended, and it may be this run's own, from before it was parked. An attempt
    that ended before its conversation began is skipped.
    """
    if run.task_id is None:
        return "", None
    begun = Run.objects.filter(task=run.task_id, agent=run.agent_id).exclude(session_id="")
    newest = begun.order_by("-queued_at", "id").values_list("session_id", "conversation__state")
    return newest.first() or ("", None)


def save_session(run: Run, session: Session) -> bool:
    """Store the agent's conversation; one whose id is too long is ignored and cannot be continued."""
    most = Run._meta.get_field("session_id").max_length or 0
    if len(session.id) > most:
        return False
    mine = Run.objects.filter(pk=run.pk, claim_token=run.claim_token, status=Run.Status.RUNNING)
    with transaction.atomic():
        is_mine = bool(mine.update(session_id=storable(session.id)))
        if is_mine and session.state is not None:
            state = storable(session.state)
            Conversation.objects.update_or_create(run=run, defaults={"state": state})
    return is_mine


def agent_of(run: Run) -> Agent:
    """Return the run's agent. Raises BackendError if it has been deleted."""
    if run.agent is None:
        raise BackendError("The agent of this run was deleted")
    return run.agent


def brief_of(run: Run, *, budget_chars: int) -> Brief:
    """Collect the content of the prompt. Reads the newest documents and messages, as many as could fit.

    Raises BackendError.
    """
    agent, task, project = agent_of(run), run.task, run.project
    assert task is not None, "a constraint gives each run of this kind a task"
    prd = project.prd_document if project else None
    feedback = feedback_on(task)
    others = correspondence_of(run, task, feedback, budget_chars=budget_chars)
    workdir = workdir_of(run)
    guidance = guidance_for(agent, workdir)
    return Brief(
        agent_name=agent.name,
        agent_role=agent.role,
        agent_description=agent.description,
        agent_specialties=[str(specialty) for specialty in agent.specialties],
        project_title=project.title if project else "",
        project_folder=str(workdir),
        instructions=guidance.instructions,
        skills=guidance.skills,
        notices=guidance.notices,
        requirements=Source("requirements", prd.title, prd.content) if prd else None,
        upstream=upstream_of(task),
        documents=others.documents,
        older_documents=others.older_documents,
        files=others.files.sources,
        older_files=others.files.older,
        earlier_answer=others.earlier_answer,
        earlier_output=others.earlier_output,
        follow_up=others.follow_up,
        follow_up_documents=others.follow_up_documents,
        unsent=others.unsent,
        feedback=feedback,
        thread=others.thread,
        older_messages=others.older_messages,
        task_title=task.title,
        task_description=task.description,
        task_priority=task.priority,
    )


def upstream_of(task: Task) -> list[Source]:
    """Return the deliverables of the completed tasks that blocked this one, oldest task first."""
    # Filtered by status in the query, SQLite would scan all tasks or all deliverables.
    blockers = task.blocked_by.order_by().values_list("pk", "status")
    done = [pk for pk, status in blockers if status == Task.Status.DONE]
    documents = Deliverable.objects.filter(task__in=done, type=Deliverable.Type.DELIVERABLE)
    oldest_first = documents.order_by("task__created_at", "created_at", "id")
    return [
        Source("deliverable", title, content)
        for title, content in oldest_first.values_list("task__title", "content")
    ]


def feedback_on(task: Task) -> list[str]:
    """Return the changes that reviews of the task requested, newest last."""
    requested = Review.objects.filter(task=task, status=Review.Status.CHANGES_REQUESTED)
    return list(requested.order_by("round", "decided_at").values_list("feedback", flat=True))
