"""The conversation of people with the agents of a task: messages to a working agent, and follow-ups."""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Literal

from django.contrib.auth.models import User

from agents.models import Agent
from mission_control.actions import comments
from mission_control.actions.permissions import MESSAGE_RUN, POST_MESSAGE, require
from mission_control.errors import AlreadyRunning, Ended, FollowUpKept
from mission_control.models import AttachedFile, Deliverable, Message, Run, Task
from mission_control.runs import messages
from mission_control.runs.admission import admit


def follow_up(
    task: Task,
    agent: Agent,
    text: str,
    *,
    by: User,
    attachments: Sequence[Deliverable | AttachedFile] = (),
    when_full: Literal["reject", "queue"] = "reject",
    ignore_dependencies: bool = False,
) -> Run:
    """Run the task again to continue the agent's conversation about it with this message, and return the run.

    The message is posted in the task's thread, in the transaction that creates the run. If the task has an active
    run already, as when two people press the button at once, the message is posted all the same, and FollowUpKept
    says how it reaches that run's agent. Raises whatever `admit` and `comments.post` raise, and NotAllowed.
    """
    require(by, POST_MESSAGE, "To write a follow-up")
    post = partial(comments.post, task, text, by=by, attachments=attachments)

    def post_with(run: Run) -> None:
        post(run=run, delivery=Message.Delivery.FOLLOW_UP)

    try:
        return admit(
            task,
            agent,
            by=by,
            when_full=when_full,
            ignore_dependencies=ignore_dependencies,
            follow_up=text,
            write=post_with,
        )
    except AlreadyRunning:
        raise FollowUpKept(*_send_to_active(task, agent, text, by=by, attachments=attachments)) from None


def say(
    task: Task,
    text: str,
    *,
    by: User,
    attachments: Sequence[Deliverable | AttachedFile] = (),
    is_to_agent: bool = False,
) -> Message:
    """Post a message of a person in the task's thread, and return it.

    If the task has an active run whose agent the message mentions, it is sent to that agent as well; with
    `is_to_agent` also if it mentions no agent. Raises what `comments.post` raises.
    """
    run = Run.objects.light().active().select_related("agent").filter(task=task).first()
    if run is not None and run.agent is not None and by.has_perms(MESSAGE_RUN):
        mentioned = comments.mentioned_agents(comments.mentions_in(text))
        if run.agent in mentioned or (is_to_agent and not mentioned):
            with suppress(Ended):
                return messages.send(run, text, attachments=attachments, by=by)[0]
    return comments.post(task, text, by=by, attachments=attachments)


def addressee(text: str, partner: Agent) -> Agent:
    """Return the agent that a message starts: the first one that it mentions by name, else the partner."""
    for mention in comments.mentions_in(text):
        if mention != comments.EVERYONE and (agents := comments.mentioned_agents([mention])):
            return agents[0]
    return partner


def _send_to_active(
    task: Task, agent: Agent, text: str, *, by: User, attachments: Sequence[Deliverable | AttachedFile]
) -> tuple[uuid.UUID, str]:
    """Send the message to the task's active run if that is the agent's, otherwise post it in the thread.

    Return its id, and how it reaches the agent, empty if it does not.
    """
    run = Run.objects.light().active().filter(task=task, agent=agent).first()
    if run is not None and by.has_perms(MESSAGE_RUN):
        with suppress(Ended):
            message, delivery = messages.send(run, text, attachments=attachments, by=by)
            return message.pk, delivery
    return comments.post(task, text, by=by, attachments=attachments).pk, ""
