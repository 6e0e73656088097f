"""Post messages in a task's thread, and notify the agents that they mention."""

import re
import unicodedata
from collections.abc import Collection, Sequence

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction

from agents.models import Agent
from mission_control.actions import notifications
from mission_control.actions.activity import note
from mission_control.errors import Invalid
from mission_control.models import Activity, AttachedFile, Deliverable, Message, Run, Task

EVERYONE = "all"
# Does not match in an address (`ada@example.org`) or a path (`/@ada`). A hyphen at the end is punctuation.
MENTION = re.compile(r"(?<![\w+%/-])@(\w+(?:-+\w+)*)")


def post(
    task: Task,
    content: str,
    *,
    by: User | None = None,
    from_agent: Agent | None = None,
    attachments: Sequence[Deliverable | AttachedFile] = (),
    run: Run | None = None,
    delivery: str = "",
) -> Message:
    """Post a message from an agent or, without one, from the user `by`; return it.

    A message to the agent of an active run has that `run`, and how it is delivered.

    Each mentioned agent gets a notification, except the sender. Writes one activity, and another one if a mention
    reached an agent. Attachments are documents, and files that were attached to this task. Raises Invalid for a
    file of another task, and PermissionDenied if a user without permission to view documents attaches one: the
    agents that run the task receive the attachments.
    """
    _check_attachments(task, attachments, by)
    mentions = mentions_in(content)
    with transaction.atomic():
        message = Message.objects.create(
            task=task,
            from_agent=from_agent,
            author=None if from_agent else by,
            content=content,
            attachment_ids=[str(document.pk) for document in attachments],
            mentions=mentions,
            run=run,
            delivery=delivery,
        )
        sender = _name(message)
        note(
            Activity.Type.MESSAGE_SENT,
            f"{sender} commented on “{task.title}”",
            task=task,
            agent=from_agent,
            message_id=str(message.pk),
        )
        _notify(message, sender, mentioned_agents(mentions, from_agent))
    return message


def _check_attachments(task: Task, attachments: Sequence[Deliverable | AttachedFile], by: User | None) -> None:
    for one in attachments:
        if isinstance(one, AttachedFile):
            if one.task_id != task.pk:
                raise Invalid("attachment_ids", "The file is not attached to this task.")
        elif by is not None and not by.has_perm("mission_control.view_deliverable"):
            raise PermissionDenied


def mentions_in(content: str) -> list[str]:
    """Return the names that a text mentions, without @, in lower case, in order and without repetitions."""
    return list(dict.fromkeys(name.lower() for name in MENTION.findall(_normalised(content))))


def _name(message: Message) -> str:
    if message.from_agent:
        return message.from_agent.name
    return message.author.get_username() if message.author else "Someone"


def mentioned_agents(mentions: Collection[str], sender: Agent | None = None) -> list[Agent]:
    """Return the mentioned agents, without the sender. Unknown names are ignored."""
    if not mentions:
        return []
    agents = Agent.objects.only("pk", "name").order_by("pk")
    if sender:
        agents = agents.exclude(pk=sender.pk)
    wanted = set(mentions)
    return [agent for agent in agents if EVERYONE in wanted or wanted & handles_of(agent.name)]


def handles_of(name: str) -> set[str]:
    """Return the handles by which an agent is mentioned: for `Ada Byron` also `ada-byron`."""
    lower = _normalised(name).lower()
    return {lower, re.sub(r"\W+", "-", lower).strip("-")}


def _normalised(text: str) -> str:
    """Return the text in Unicode's form NFC: each accented letter is one character."""
    return unicodedata.normalize("NFC", text)


def _notify(message: Message, sender: str, agents: Sequence[Agent]) -> None:
    if not agents:
        return
    task = message.task
    notifications.create(
        Activity.Type.MENTION, f"{sender} mentioned you in '{task.title}'", to=agents, task=task, message=message
    )
    names = sorted((agent.name for agent in agents), key=lambda name: (name.lower(), name))
    reached = "everyone" if EVERYONE in message.mentions else ", ".join(names)
    note(
        Activity.Type.MENTION,
        f"{sender} mentioned {reached} in “{task.title}”",
        task=task,
        agent=message.from_agent,
        message_id=str(message.pk),
    )
