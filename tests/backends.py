"""Badly behaved agents, added as a third party adds one: by name and dotted path."""

import asyncio
import time

from agents.backends.base import Answer, Backend, BackendError, BackendEvent, EventType, TransientError, Usage

NAMES = {
    "scripted": "tests.backends.Scripted",
    "silent": "tests.backends.Silent",
    "stubborn": "tests.backends.Stubborn",
    "broken": "tests.backends.Broken",
    "leaving": "tests.backends.Leaving",
    "sulking": "tests.backends.Sulking",
    "spending": "tests.backends.Spending",
    "flaky": "tests.backends.Flaky",
    "numbers": "tests.backends.Numbers",
}


def says(text: str, type: EventType = EventType.MESSAGE, **metadata) -> BackendEvent:
    return BackendEvent(type, text, metadata)


class Scripted(Backend):
    """Emits what its options hold, or one word without them; then fails or answers if its options say so."""

    name = "scripted"
    display_name = "Scripted"
    options_schema = {"type": "object"}

    @classmethod
    def missing(cls):
        return None

    async def stream(self, prompt, options, workdir):
        usual = [] if options.keys() & {"odd", "fails"} else [["message", "."]]
        for type, text, *metadata in options.get("events", usual):
            yield says(text, EventType(type), **(metadata[0] if metadata else {}))
            await asyncio.sleep(options.get("delay", 0))
        if options.get("odd"):
            yield says("nul \x00 and \ud800 end")
            yield says("search", EventType.TOOL_USE, input={"nul \x00": ["\ud800"]})
        yield Usage(model="scripted", input_tokens=3, output_tokens=5)
        if "fails" in options:
            raise BackendError(options["fails"])
        if "answer" in options:
            yield Answer(options["answer"])


class Numbers(Scripted):
    """Calls a tool with numbers that Python's JSON accepts and a database does not store."""

    name = "numbers"

    async def stream(self, prompt, options, workdir):
        yield says("just before")
        deep: dict = {}
        for _ in range(200):
            deep = {"d": deep}
        given = {
            "nan": float("nan"), "inf": [float("inf"), float("-inf")], "long": 2**70, "huge": 10**5000 - 1,
            "fine": [2**63 - 1, 1.5, True, None], 3: b"bytes", "deep": deep,
        }  # fmt: skip
        yield says("calculate", EventType.TOOL_USE, input=given)
        yield says(". and after")


class Silent(Scripted):
    """Emits one word, then nothing, and records its cancellation in its folder."""

    name = "silent"

    async def stream(self, prompt, options, workdir):
        yield says("thinking about it")
        try:
            await asyncio.sleep(3600)
        finally:
            (workdir / "cancelled").write_text("yes")


class Stubborn(Scripted):
    """Ignores its cancellation."""

    name = "stubborn"

    async def stream(self, prompt, options, workdir):
        yield says("never")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue


class Broken(Scripted):
    name = "broken"

    async def stream(self, prompt, options, workdir):
        yield says("so far so good")
        raise ValueError("cannot read /etc/secrets/api.key with sk-abcdefghijklmnopqrstuvwx")


class Leaving(Scripted):
    """Ends the process that it runs in."""

    name = "leaving"

    async def stream(self, prompt, options, workdir):
        yield says("good bye")
        raise SystemExit(1)


class Sulking(Scripted):
    """Fails when it is cancelled."""

    name = "sulking"

    async def stream(self, prompt, options, workdir):
        yield says("not now")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise RuntimeError("not like this") from None


class Spending(Scripted):
    """Emits a word, reports its usage, and continues."""

    name = "spending"

    async def stream(self, prompt, options, workdir):
        yield says("word")
        yield Usage(**options)
        yield says(" by word")


class Flaky(Scripted):
    """Fails in its first calls, as its option `failures` says for each, and then works like its base class.

    Its folder holds a line for each call.
    """

    name = "flaky"

    async def stream(self, prompt, options, workdir):
        with (workdir / "calls").open("a+") as calls:
            calls.write("called\n")
            calls.seek(0)
            number = len(calls.readlines())
        if number <= len(options["failures"]):
            failure = {"message": "Too many requests (HTTP 429)", **options["failures"][number - 1]}
            for type, text in failure.pop("events", []):
                yield says(text, EventType(type))
            yield Usage(**failure.pop("usage", {}))
            raise TransientError(failure.pop("message"), **failure)
        async for item in super().stream(prompt, options, workdir):
            yield item
