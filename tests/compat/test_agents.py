"""The interfaces of the Claude SDK, pydantic-ai, OpenAI's client and httpx2 that the backends use still exist."""

import dataclasses
import inspect

import claude_agent_sdk as sdk
import httpx2
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from agents.backends.claude.conversation import _ProgramTransport
from tests.compat.expect import changed, expect_attributes

CLAUDE, WIRE, ENDPOINTS = (
    f"agents/backends/{name}"
    for name in ("claude/conversation.py", "pydantic_ai/wire.py", "pydantic_ai/endpoints.py")
)


def test_the_claude_sdk_asks_of_a_transport_what_ours_has():
    abstract = set(sdk.Transport.__abstractmethods__)
    ours = {name for name in vars(_ProgramTransport) if not name.startswith("_")}
    assert abstract == ours, changed("claude-agent-sdk", CLAUDE, f"a transport has {sorted(abstract)}")


def test_the_claude_sdk_takes_a_transport():
    parameters = list(inspect.signature(sdk.ClaudeSDKClient).parameters)
    assert parameters[:2] == ["options", "transport"], changed(
        "claude-agent-sdk", CLAUDE, f"it takes {parameters}"
    )
    options = {field.name for field in dataclasses.fields(sdk.ClaudeAgentOptions)}
    assert "verbatim_prompts" in options, changed("claude-agent-sdk", CLAUDE, "there is no `verbatim_prompts`")


def test_an_answer_of_httpx2_has_the_stream_that_ours_guards():
    answer = httpx2.Response(200, content=b"x")
    expect_attributes("httpx2", answer, ["stream", "extensions", "is_stream_consumed"], WIRE)
    assert isinstance(answer.stream, httpx2.AsyncByteStream), changed(
        "httpx2", WIRE, "a stream is of another class"
    )


def test_pydantic_ai_has_the_parts_of_an_own_endpoint():
    assert OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=False)
    parameters = inspect.signature(OpenAICompatibleProvider.__init__).parameters
    assert {"openai_client", "profile"} <= set(parameters), changed(
        "pydantic-ai-slim", ENDPOINTS, f"a provider takes {list(parameters)}"
    )
