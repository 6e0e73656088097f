"""The rows on a task's page: agents to choose from, runs, documents, messages."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Prefetch, QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString

from agents.models import Agent
from mission_control.formatting import clock, dollars, full_count, seconds_since, short_count
from mission_control.models import AttachedFile, Deliverable, DeliverableVersion, Message, Run
from mission_control.text import as_uuid
from mission_control.web.shared.consumption import Consumption
from mission_control.web.shared.states import run_word


@dataclass(slots=True)
class AgentChoice:
    """An agent that could run the task, with notes about it: what it lacks, its level, its active runs."""

    agent: Agent
    running: int
    missing: str
    is_chosen: bool = False

    @property
    def why(self) -> str:
        if self.missing:
            return self.missing
        text = self.agent.get_level_display()
        if self.agent.level == Agent.Level.INTERN:
            text += ": its work always goes to review"
        if self.running:
            text += f", {self.running} active run{'s' if self.running > 1 else ''}"
        return text


@dataclass(slots=True)
class RunRow:
    """A run in the history of its task."""

    run: Run

    @property
    def elapsed_seconds(self) -> float | None:
        run = self.run
        return seconds_since(run.started_at or run.queued_at) if run.is_active else None

    @property
    def time(self) -> str:
        return clock(self.run.duration_seconds if self.elapsed_seconds is None else self.elapsed_seconds)

    @property
    def used(self) -> Consumption:
        return Consumption.of(self.run)

    @property
    def tokens_in(self) -> int | None:
        return self.run.input_tokens

    @property
    def tokens_out(self) -> int | None:
        return self.run.output_tokens

    @property
    def tokens(self) -> int | None:
        known = [number for number in (self.tokens_in, self.tokens_out) if number is not None]
        return sum(known) if known else None

    @property
    def long_in(self) -> str:
        return full_count(self.tokens_in)

    @property
    def long_out(self) -> str:
        return full_count(self.tokens_out)

    @property
    def long_tokens(self) -> str:
        return full_count(self.tokens)

    @property
    def short_in(self) -> str:
        return short_count(self.tokens_in)

    @property
    def short_out(self) -> str:
        return short_count(self.tokens_out)

    @property
    def cost(self) -> str:
        return "" if self.run.cost_usd is None else dollars(self.run.cost_usd)

    @property
    def word(self) -> str:
        if self.run.status == Run.Status.RUNNING and self.run.stop_requested_at:
            return "Stopping"
        if self.run.status == Run.Status.PARKED:
            return run_word(self.run)
        words = {Run.Status.WAITING: "Queued", Run.Status.QUEUED: "Starting", Run.Status.ERROR: "Failed"}
        return words.get(Run.Status(self.run.status), str(self.run.get_status_display()))


@dataclass(slots=True)
class DocumentRow:
    """A document with its versions, newest first, and its author. `at` is the version that is shown."""

    document: Deliverable
    author: str
    at: DeliverableVersion | None
    since: int | None = None  # the version that was last reviewed
    html: SafeString | None = None  # the content, if the page includes it
    is_cut: bool = False

    @property
    def raw(self) -> str:
        """Return the URL of the whole content as a file, for content that the page cuts."""
        return reverse("document-file", args=[self.document.pk, self.at.version if self.at else 1])

    @property
    def is_since_review(self) -> bool:
        return bool(self.since and self.at and self.since < self.at.version)

    @property
    def versions(self) -> list[DeliverableVersion]:
        return list(self.document.versions.all())

    @property
    def before(self) -> int | None:
        """Return the version to compare the shown one with: the last reviewed if older, else the previous."""
        if self.at is None:
            return None
        if self.is_since_review:
            return self.since
        return max((one.version for one in self.versions if one.version < self.at.version), default=None)


@dataclass(slots=True)
class MessageRow:
    """A message with its text as HTML and its attachments; None is one that was deleted."""

    message: Message
    html: SafeString
    attachments: list[Deliverable | AttachedFile | None] = field(default_factory=list)

    @property
    def is_person(self) -> bool:
        return self.message.from_agent is None

    @property
    def name(self) -> str:
        message = self.message
        if message.from_agent:
            return message.from_agent.name
        return (message.author.get_full_name() or message.author.get_username()) if message.author else "Someone"

    @property
    def delivery(self) -> str:
        """Return how the message reached an agent, or will reach it; empty for one that only is in the thread."""
        message, run = self.message, self.message.run
        if not message.delivery or run is None:
            return ""
        name = run.agent_name
        if message.delivery == Message.Delivery.FOLLOW_UP:
            return (
                f"Started attempt {run.attempt} of {name}" if message.delivered_at else f"Starts a run of {name}"
            )
        if message.delivered_at:
            return (
                f"Delivered live to {name}"
                if message.delivery == Message.Delivery.LIVE
                else f"Delivered to {name}"
            )
        if not run.is_active:
            return f"{name} had ended: it is in the next prompt"
        is_live = message.delivery == Message.Delivery.LIVE
        return f"On its way to {name}" if is_live else f"Reaches {name} at its next turn"


def document_rows(found: QuerySet[Deliverable], *, version: int | None = None) -> list[DocumentRow]:
    """Return rows for documents, with versions and authors, at `version` or by default at the newest one."""
    versions = DeliverableVersion.objects.defer("content").select_related("run").order_by("-version")
    light = versions.defer("content", "run__output", "run__prompt")
    documents = list(found.prefetch_related(Prefetch("versions", light)))
    keys = [key for document in documents if (key := as_uuid(document.author_id))]
    names = {str(agent.pk): agent.name for agent in Agent.objects.filter(pk__in=keys).only("name")}
    return [
        DocumentRow(document, author_of(document.author_id, names), _version(document.versions.all(), version))
        for document in documents
    ]


def _version(versions: Iterable[DeliverableVersion], number: int | None) -> DeliverableVersion | None:
    there = list(versions)
    return next((one for one in there if one.version == number), there[0] if there else None)


def author_of(key: str | None, names: dict[str, str]) -> str:
    """Return the name for an author id: the agent's name, "a user" for people, empty for none."""
    if not key:
        return ""
    return "a user" if key == "human" else names.get(key, "deleted agent")
