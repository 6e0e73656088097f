"""One call of a model: from the prompt, or the place where an earlier conversation ended, to its answer.

Imports pydantic-ai: import this only after the model has been opened.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

from pydantic_ai import Agent, AgentRunResult, RunContext, exceptions
from pydantic_ai.messages import (
    AgentStreamEvent,
    FunctionToolResultEvent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
)
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from agents.backends.approvals import POLICY
from agents.backends.base import (
    Answer,
    Backend,
    BackendEvent,
    BackendItem,
    EventType,
    NobodyThere,
    Session,
)
from agents.backends.mcp_servers.starting import connect_servers
from agents.backends.pydantic_ai.answer import (
    TOOL_RETRIES,
    EventTranslator,
    incomplete_notice,
    server_tools,
    usage_of,
)
from agents.backends.pydantic_ai.endpoints import READ_SECONDS
from agents.backends.pydantic_ai.history import History, dump, load
from agents.backends.pydantic_ai.people import ASK_HUMAN, Mailbox, ToolGate, asking_tool
from agents.backends.pydantic_ai.skill_tool import skill_tools
from agents.backends.pydantic_ai.thoughts import without_thoughts
from agents.backends.pydantic_ai.tools import Tools

REFUSED_REQUEST = (400, 413, 422)  # HTTP statuses of a request that will not succeed when it is repeated
ANOTHER = "The earlier conversation was with another model or version, or is not stored any more; a new one begins"
REFUSED = "The earlier conversation could not be continued, the model refused it; a new one begins"
NO_TOOLS = "This model takes no tools, so it cannot ask people (option `ask_human`)"


async def answer(
    backend: Backend, model: Model, model_key: str, prompt: str, options: Mapping[str, Any], workdir: Path
) -> AsyncGenerator[BackendItem, None]:
    """Connect to the MCP servers, then yield the model's answer. Raises what the SDK raises, BackendError."""
    async with AsyncExitStack() as stack:
        servers = await connect_servers(options, workdir, stack)
        for notice in servers.notices:
            yield notice
        tools = [
            *Tools(workdir).with_names(options.get("tools", [])),
            *await asyncio.to_thread(skill_tools, workdir),
            *(tool for name, one in servers.connections.items() for tool in server_tools(name, one)),
        ]
        call = Call(backend, model, model_key, prompt, options, workdir, tools)
        async with aclosing(call.items()) as items:
            async for item in items:
                yield item


class Call:
    """A call of a model, with its tools, people, and the conversation that it continues."""

    def __init__(
        self,
        backend: Backend,
        model: Model,
        model_key: str,
        prompt: str,
        options: Mapping[str, Any],
        workdir: Path,
        tools: Sequence[Any],
    ) -> None:
        self.backend, self.model, self.model_key, self.prompt = backend, model, model_key, prompt
        self.options, self.workdir, self.tools = options, workdir, tools
        self.history = load(model_key, backend.earlier_state) or History()
        self.session_id = backend.earlier_session if self.history.messages else ""
        self.session_id = self.session_id or uuid.uuid4().hex
        self.is_alone = isinstance(backend.dialogue, NobodyThere)
        self.asks = options.get(ASK_HUMAN, True) and not self.is_alone

    async def items(self) -> AsyncGenerator[BackendItem, None]:
        """Yield the output; begin again without what the model refuses, if it has not said anything yet."""
        if self.backend.earlier_session and not self.history.messages:
            yield BackendEvent(EventType.STATUS, ANOTHER)
        while True:
            attempt = Attempt(self)
            try:
                async with aclosing(attempt.items()) as items:
                    async for item in items:
                        yield item
                return
            except Exception as error:
                notice = "" if attempt.has_begun else self.leave_out_cause(error)
                if not notice:
                    raise
            yield BackendEvent(EventType.STATUS, notice)

    def leave_out_cause(self, error: Exception) -> str:
        """Give up what the model may have refused, and return the notice about it; empty if nothing can help."""
        is_refused = getattr(error, "status_code", None) in REFUSED_REQUEST
        if is_refused and self.asks and not self.tools and "tool" in str(error).lower():
            self.asks = False
            return NO_TOOLS
        is_too_long = isinstance(error, exceptions.ModelContextWindowExceededError)
        if (is_refused or is_too_long) and self.history.messages:
            self.history, self.session_id = History(), uuid.uuid4().hex
            return REFUSED
        return ""


class Attempt:
    """Runs the model in a task of its own, and yields what that task puts into a queue, one item at a time."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.has_begun = False  # the model has said or done something
        self.translation = EventTranslator()
        takes_images = bool(call.model.profile.get("supports_image_input", True))
        self.mailbox = Mailbox(call.backend.dialogue, call.workdir, takes_images=takes_images)
        policy = call.options.get(POLICY, {})
        self.gate = ToolGate(call.backend.dialogue, policy, call.history.results, call.workdir)
        self.results = dict(call.history.results)  # of the last response's tool calls
        self.known_calls: set[str] = set()  # calls of the continued conversation, whose use is in the log already
        self.known_results = set(self.results)
        self.used: Any = None  # what pydantic-ai counts
        self.reported: Any = None
        self.queue: asyncio.Queue[BackendItem | None] = asyncio.Queue()

    async def items(self) -> AsyncGenerator[BackendItem, None]:
        """Yield the items. Raises what the model's SDK raises."""
        worker = asyncio.create_task(self.work())
        try:
            while (item := await self.queue.get()) is not None:
                yield item
                self.queue.task_done()
            await worker
        finally:
            await _end(worker)

    async def put(self, item: BackendItem) -> None:
        """Wait until the item has been yielded and processed: a saved conversation is then stored."""
        self.has_begun = self.has_begun or isinstance(item, BackendEvent)
        self.queue.put_nowait(item)
        await self.queue.join()

    # ------------------------------------------------------------ the worker
    async def work(self) -> None:
        """Run the model until it has answered everything that people wrote."""
        listening = None if self.call.is_alone else asyncio.create_task(self.mailbox.listen())
        try:
            result = await self.run(*self.beginning())
            while self.mailbox.waiting:  # written in the last moment
                result = await self.run(self.mailbox.take(), result.all_messages())
            if listening is not None and (error := await _end(listening)):
                raise error
            if self.mailbox.waiting:
                result = await self.run(self.mailbox.take(), result.all_messages())
            await self.finish(result)
        except Exception:
            if self.used is not None and self.used.requests:  # usage before the failure is billed too
                self.queue.put_nowait(usage_of(self.used, self.call.model.model_name))
            raise
        finally:
            if listening is not None:
                await _end(listening)
            self.queue.put_nowait(None)

    def beginning(self) -> tuple[Any, list[ModelMessage]]:
        """Return the prompt, None to make the open tool calls first, and the messages before it."""
        call, history = self.call, self.call.history
        if not history.messages:
            return call.prompt, []
        if history.pending and call.backend.replies:
            last = history.messages[-1]
            assert isinstance(last, ModelResponse), "it has pending calls"
            self.known_calls = {tool_call.tool_call_id for tool_call in last.tool_calls}
            if call.backend.messages:
                self.mailbox.waiting.append([call.backend.messages])
            return None, history.messages
        self.results, self.gate.earlier_results = {}, {}
        return call.backend.continuation or call.prompt, history.closed()

    async def run(self, prompt: Any, messages: Sequence[ModelMessage]) -> AgentRunResult[str]:
        """Send the prompt, and return the result; the output is put into the queue as it comes."""
        asking = [asking_tool(self.call.backend.dialogue)] if self.call.asks else []
        agent = Agent(
            self.call.model,
            # An invalid call of a tool is reported to the model; an answer is never requested again.
            retries={"tools": TOOL_RETRIES, "output": 0},
            model_settings=self.settings(),
            tools=[*self.call.tools, *asking],
            capabilities=[self.gate],
        )
        return await agent.run(
            prompt,
            message_history=messages,
            usage=self.used,
            event_stream_handler=self.handle,
            infer_name=False,
        )

    def settings(self) -> ModelSettings:
        settings = ModelSettings(timeout=READ_SECONDS, max_retries=0)
        if "temperature" in self.call.options:
            settings["temperature"] = self.call.options["temperature"]
        if "max_tokens" in self.call.options:
            settings["max_tokens"] = self.call.options["max_tokens"]
        return settings

    async def handle(self, ctx: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
        """Put the events of a response, or of its tool calls, into the queue.

        Before a tool is used the conversation is saved with the call, and after it with the result: a person may
        take days to answer, and no tool is used twice.
        """
        self.used = ctx.usage
        self.mailbox.hand_over(ctx)
        await self.report_usage()
        last = ctx.messages[-1]
        if isinstance(last, ModelRequest):
            self.forget_calls()
        elif last.tool_calls:
            await self.save(ctx.messages)
        async for event in events:
            for item in self.translation.of(event):
                if not self.is_known(item):
                    await self.put(item)
            if isinstance(event, FunctionToolResultEvent):
                self.results[event.part.tool_call_id] = event.part.model_response_str()
                await self.save(ctx.messages)

    def forget_calls(self) -> None:
        """Forget the calls of the last response: a server may use their ids again."""
        self.results, self.gate.earlier_results = {}, {}
        self.known_calls, self.known_results = set(), set()

    def is_known(self, item: BackendEvent) -> bool:
        """Return whether the event is in the log from before the conversation was continued; mark refusals."""
        key = item.metadata.get("id")
        if item.type == EventType.TOOL_RESULT and key in self.gate.refused:
            item.metadata["refused"] = True
            self.gate.refused.discard(key)
        known = {EventType.TOOL_USE: self.known_calls, EventType.TOOL_RESULT: self.known_results}
        return key in known.get(item.type, ())

    async def report_usage(self) -> None:
        usage = usage_of(self.used, self.call.model.model_name)
        if usage.input_tokens is not None and usage != self.reported:
            self.reported = usage
            await self.put(usage)

    async def save(self, messages: Sequence[ModelMessage]) -> None:
        """Save the conversation so far, with the results of the last response's tool calls."""
        state = await asyncio.to_thread(dump, self.call.model_key, list(messages), dict(self.results))
        await self.put(Session(self.call.session_id, state))

    async def finish(self, result: AgentRunResult[str]) -> None:
        for item in self.translation.end():
            await self.put(item)
        await self.put(usage_of(result.usage, result.response.model_name or self.call.model.model_name))
        self.forget_calls()
        await self.save(result.all_messages())
        if notice := incomplete_notice(result.response.finish_reason):
            await self.put(notice)
        await self.put(Answer(without_thoughts(result.output)))


async def _end(task: asyncio.Task[None]) -> BaseException | None:
    """Cancel a task, wait for its end, and return its error."""
    task.cancel()
    await asyncio.wait({task})
    return None if task.cancelled() else task.exception()
