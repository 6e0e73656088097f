"""Programs that speak the Agent Client Protocol badly, or with bad intentions. Only the standard library."""

import json
import os
import subprocess
import sys
import time


def send(**message) -> None:
    os.write(1, json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def heard(method: str) -> dict:
    """Read until a request with this method, and return it."""
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == method:
            return message
    sys.exit(0)


def begin() -> int:
    """Begin a session, and return the id of the request with the prompt."""
    send(id=heard("initialize")["id"], result={"protocolVersion": 1})
    send(id=heard("session/new")["id"], result={"sessionId": "s"})
    return heard("session/prompt")["id"]


def say(text: str, session: str = "s") -> None:
    update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
    send(method="session/update", params={"sessionId": session, "update": update})


def end(prompt: int) -> None:
    send(id=prompt, result={"stopReason": "end_turn"})


def wait() -> None:
    for _ in sys.stdin:
        pass
    time.sleep(600)


def silent() -> None:
    wait()


def mute() -> None:
    """Begin, and never answer the prompt."""
    begin()
    wait()


def endless() -> None:
    """One line without an end."""
    begin()
    while True:
        os.write(1, b"x" * 65_536)


def babble() -> None:
    """Lines that are no messages, and messages of unexpected types; then an answer."""
    os.write(1, b"Welcome!\n\xff\xfe\n[1]\n" + b"[" * 100_000 + b"\n")
    prompt = begin()
    for message in (
        {"id": [1], "result": {}},
        {"id": prompt, "method": 7},
        {"id": 77, "result": {"stopReason": "end_turn"}},
        {"id": str(prompt), "result": {"stopReason": "refusal"}},
        {"id": 78, "error": "wrong"},
        {"method": "session/update", "params": [1]},
        {"method": "session/update", "params": {"sessionId": "s", "update": 5}},
        {"method": "no/such", "params": {}},
    ):
        send(**message)
    for update in (
        {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": 5}},
        {"sessionUpdate": "tool_call", "toolCallId": 7, "title": [], "content": "x", "locations": 4},
        {"sessionUpdate": "plan", "entries": {"a": 1}},
        {"sessionUpdate": "usage_update", "cost": {"amount": "much", "currency": "USD"}},
        {"sessionUpdate": "of the future"},
    ):
        send(method="session/update", params={"sessionId": "s", "update": update})
    say("of another", session="other")
    say("Mine.")
    end(prompt)
    wait()


def huge() -> None:
    """A message that is too large, and one that is not."""
    prompt = begin()
    say("x" * 9_000_000)
    say("short")
    end(prompt)


def flood() -> None:
    """More pieces of text than anyone reads, without a pause; a file says how many were sent."""
    begin()
    sent = 0
    while True:
        say("x" * 1000)
        sent += 1
        if not sent % 100:
            with open("sent", "w") as file:
                file.write(str(sent))


def demand() -> None:
    """Requests without reading an answer: unknown ones, of another session, and for files outside."""
    prompt = begin()
    for number in range(2_000):
        params = {"sessionId": "s" if number % 2 else "other", "path": "/etc/passwd"}
        send(id=f"r{number}", method="fs/read_text_file" if number % 3 else "terminal/create", params=params)
    say("done")
    end(prompt)
    send(id="late", method="fs/read_text_file", params={"sessionId": "s", "path": "/etc/passwd"})
    say("after the end")
    wait()


def leave() -> None:
    """End in the middle, with a reason, and leave a child behind."""
    begin()
    say("so far")
    subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); time.sleep(600)"])
    sys.stderr.write("out of memory\n")
    sys.exit(3)


def answers(answer: str) -> None:
    """Give this answer to the first request."""
    send(id=heard("initialize")["id"], **json.loads(answer))
    wait()


def nameless() -> None:
    send(id=heard("initialize")["id"], result={"protocolVersion": 1})
    send(id=heard("session/new")["id"], result={"sessionId": ["no text"]})
    wait()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
