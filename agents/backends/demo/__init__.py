"""The demo backend: no language model, no key, no network.

Without options it describes the prompt that it received; for a step of planning it answers with a sample plan's.
With the option `script` it plays a list of steps; with other options it emits pieces of a given number, size and
pace, and fails on request.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.backends import approvals
from agents.backends.base import Backend, BackendError, BackendEvent, BackendItem, EventType
from agents.backends.demo import script
from agents.backends.demo.inbox import repeat_messages
from agents.backends.demo.steps import SCRIPT_SCHEMA

OUTLINE_SECONDS = 4.0  # long enough to watch, short enough to wait for
SAMPLE_SECONDS = 0.4
WORDS_AT_ONCE = 3
STEP_HEADING = "Answer: "  # starts the heading of a planning question, which names the step
LISTED_SECTIONS = 12
LISTED_CHARS = 80
_REHEARSAL = ("chunks", "chunk_bytes", "delay_seconds", "fail_after")  # options without a script

_HEADING = re.compile(r"^#{1,6}[ \t]+(\S.*)$", re.MULTILINE)
_DOCUMENT = re.compile(
    r'^<document(?P<fence>[-\w]*) kind="([^"\n]*)" title="([^"\n]*)">$(.*?)^</document(?P=fence)>$',
    re.MULTILINE | re.DOTALL,
)


class Demo(Backend):
    name = "demo"
    display_name = "Demo (no language model)"
    capabilities = ("streaming", "tools", "thinking", "usage", "sessions", "questions", "approvals", "steering")
    options_schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "chunks": {
                "type": "integer",
                "minimum": 1,
                "maximum": 100_000,
                "default": 200,
                "description": "Number of chunks to emit.",
            },
            "chunk_bytes": {
                "type": "integer",
                "minimum": 8,
                "maximum": 65_536,
                "default": 50,
                "description": "Size of each chunk in bytes, including its number.",
            },
            "delay_seconds": {
                "type": "number",
                "minimum": 0,
                "maximum": 60,
                "default": 0.05,
                "description": "Pause after each chunk.",
            },
            "fail_after": {
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": 100_000,
                "default": None,
                "description": "Fail after this many chunks (empty: never).",
            },
            "script": SCRIPT_SCHEMA,
        },
        "dependentSchemas": {
            "script": {
                "not": {"anyOf": [{"required": [name]} for name in _REHEARSAL]},
                "x-errors": {"not": f"must have no other option with `script` but `{approvals.POLICY}`"},
            }
        },
    }

    @classmethod
    def missing(cls) -> None:
        return None

    @classmethod
    def missing_for(cls, options: Mapping[str, Any]) -> str | None:
        """Return what is missing for an agent with these options: a sandbox, if its script runs commands."""
        steps = options.get("script", ())
        return script.missing_for(steps) if isinstance(steps, list) else None

    @classmethod
    def wrong_choice(cls, options: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return the option `script` if a step has a default that nobody could choose."""
        wrong = script.wrong_default(options.get("script", ()))
        return ("script", wrong) if wrong else None

    @classmethod
    def account(cls, options: Mapping[str, Any]) -> str:
        """Return the account of a script's `quota`: agents with the same script share it."""
        return script.account_of(options["script"]) if "script" in options else ""

    def stream(self, prompt: str, options: Mapping[str, Any], workdir: Path) -> AsyncGenerator[BackendItem, None]:
        """Play a script, yield pieces for other options, else a part of the sample plan or an outline."""
        if steps := options.get("script"):
            earlier = {"earlier_session": self.earlier_session, "earlier_state": self.earlier_state}
            earlier |= {"continuation": self.continuation}
            return script.play(steps, prompt, workdir, self.dialogue, options.get(approvals.POLICY), **earlier)
        rehearsal = {name: value for name, value in options.items() if name in _REHEARSAL}
        return repeat_messages(self._without_script(prompt, rehearsal), self.dialogue)

    def _without_script(self, prompt: str, options: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        if options:
            return _rehearse(options)
        outline = _Outline.of(prompt)
        sample = SAMPLE_PLAN.get(outline.requested_step)
        if sample is not None:
            return _paced(list(_pieces(EventType.MESSAGE, sample)), seconds=SAMPLE_SECONDS)
        return _paced(list(_outline_events(outline)), seconds=OUTLINE_SECONDS)


async def _rehearse(options: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
    chunks = int(options.get("chunks", 200))
    size = int(options.get("chunk_bytes", 50))
    delay_seconds = float(options.get("delay_seconds", 0.05))
    fail_after = options.get("fail_after")
    last = chunks if fail_after is None else min(chunks, int(fail_after))
    for number in range(1, last + 1):
        yield BackendEvent(EventType.MESSAGE, _chunk(number, size))
        await asyncio.sleep(delay_seconds)  # also for 0: a stop must be able to interrupt
    if fail_after is not None and fail_after <= chunks:
        raise BackendError(f"The demo failed after {last} chunks, as set by `fail_after`")


def _chunk(number: int, size: int) -> str:
    """Return a line of exactly `size` bytes, or more if its number needs more room."""
    text = f"[{number}] "
    padding = size - len(text)
    return text + "." * (padding - 1) + "\n" if padding > 0 else text


@dataclass(frozen=True, slots=True)
class _Outline:
    """The structure of a prompt: words, sections and documents."""

    words: int
    sections: list[str]
    documents: list[tuple[str, str]]  # kind, title

    @classmethod
    def of(cls, prompt: str) -> "_Outline":
        return cls(
            words=len(prompt.split()),
            sections=[heading.strip() for heading in _HEADING.findall(_DOCUMENT.sub("", prompt))],
            documents=[(kind, title) for _, kind, title, _ in _DOCUMENT.findall(prompt)],
        )

    @property
    def requested_step(self) -> str:
        """Return the requested step of planning; empty if none is requested."""
        requested = [section for section in self.sections if section.startswith(STEP_HEADING)]
        return requested[-1].removeprefix(STEP_HEADING) if requested else ""

    @property
    def upstream(self) -> list[str]:
        return [title for kind, title in self.documents if kind == "deliverable"]


async def _paced(events: list[BackendEvent], *, seconds: float) -> AsyncGenerator[BackendItem, None]:
    for event in events:
        yield event
        await asyncio.sleep(seconds / len(events))


def _outline_events(outline: _Outline) -> Iterator[BackendEvent]:
    yield from _pieces(
        EventType.THINKING,
        "The demo backend only counts the words and lists the sections of the prompt.\n",
    )
    yield BackendEvent(EventType.TOOL_USE, "outline_prompt", {"id": "demo-1", "input": {"words": outline.words}})
    found = f"{_count(outline.words, 'word')}, {_count(len(outline.sections), 'section')}, "
    found += _count(len(outline.documents), "document")
    yield BackendEvent(EventType.TOOL_RESULT, found, {"id": "demo-1"})
    yield from _pieces(EventType.MESSAGE, _outline_text(outline))


def _outline_text(outline: _Outline) -> str:
    parts = [
        "**Demo backend: no language model was called and no work was done.**",
        "Here is what an agent would have received.",
        f"The prompt has {_count(outline.words, 'word')} in {_count(len(outline.sections), 'section')}"
        + (":" if outline.sections else "."),
    ]
    if outline.sections:
        lines = [f"- {_short(section)}" for section in outline.sections[:LISTED_SECTIONS]]
        if len(outline.sections) > LISTED_SECTIONS:
            lines.append(f"- … and {len(outline.sections) - LISTED_SECTIONS} more")
        parts.append("\n".join(lines))
    if outline.upstream:
        titles = ", ".join(_short(title) for title in outline.upstream[:LISTED_SECTIONS])
        parts.append(f"Deliverables of upstream tasks included: {len(outline.upstream)} ({titles}).")
    else:
        parts.append("No deliverables of upstream tasks were included.")
    parts.append("For real work, switch the agent to another backend, such as `pydantic_ai`.")
    return "\n\n".join(parts) + "\n"


def _pieces(kind: EventType, text: str) -> Iterator[BackendEvent]:
    """Yield the whole text in groups of words."""
    words = re.findall(r"\S+\s*", text)
    for start in range(0, len(words), WORDS_AT_ONCE):
        yield BackendEvent(kind, "".join(words[start : start + WORDS_AT_ONCE]))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _short(text: str) -> str:
    return text if len(text) <= LISTED_CHARS else f"{text[: LISTED_CHARS - 1]}…"


# ---------------------------------------------------------------- the sample plan
_LABEL = "Sample plan from the demo backend, which is no language model. Your goal was not read."


def _object(value: Mapping[str, Any]) -> str:
    return f"{_LABEL}\n\n```json\n{json.dumps(value, indent=2)}\n```\n"


SAMPLE_PLAN = {
    "goal_analysis": _object(
        {
            "goal": "Sample: see how a plan is created, approved and executed.",
            "domain": "hybrid",
            "sub_domains": ["demonstration"],
            "complexity": "S",
            "estimated_phases": 2,
            "ai_capabilities": ["Show what agents would do"],
            "human_requirements": ["Give the planner a real backend"],
            "constraints_detected": [],
            "clarifications_needed": [],
            "suggested_research_depth": "quick",
            "confidence": 0,
        }
    ),
    "research": f"## Sample research\n\n{_LABEL} Nothing was looked up.\n",
    "prd": (
        f"# Sample plan\n\n**{_LABEL}**\n\n"
        "## What a real plan covers\n\n"
        "- The problem and audience\n- Scope\n- Acceptance criteria\n\n"
        "For a real plan, switch the planner to another backend, such as `pydantic_ai`.\n"
    ),
    "tasks": _object(
        {
            "tasks": [
                {
                    "key": "collect",
                    "title": "Sample: gather background",
                    "description": _LABEL,
                    "priority": "high",
                    "tags": ["sample"],
                    "estimated_minutes": 15,
                    "required_specialties": ["research"],
                },
                {
                    "key": "write",
                    "title": "Sample: write a first draft",
                    "description": _LABEL,
                    "tags": ["sample"],
                    "estimated_minutes": 30,
                    "required_specialties": ["writing"],
                    "blocked_by_keys": ["collect"],
                },
                {
                    "key": "review",
                    "title": "Sample: review the first draft",
                    "description": _LABEL,
                    "task_type": "review",
                    "tags": ["sample"],
                    "estimated_minutes": 10,
                    "blocked_by_keys": ["write"],
                },
                {
                    "key": "decide",
                    "title": "Sample: decide whether to publish",
                    "description": _LABEL,
                    "task_type": "human",
                    "priority": "low",
                    "tags": ["sample"],
                    "estimated_minutes": 5,
                    "blocked_by_keys": ["review"],
                },
            ]
        }
    ),
    "team": _object(
        {
            "agents": [
                {"name": "Scout", "role": "Researcher", "description": _LABEL, "specialties": ["research"]},
                {"name": "Quill", "role": "Writer", "description": _LABEL, "specialties": ["writing"]},
            ]
        }
    ),
}
