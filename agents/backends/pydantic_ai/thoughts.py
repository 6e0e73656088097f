"""Separate the thoughts that a model writes into its text, between `<think>` and `</think>`."""

import re
from collections.abc import Iterator

BEGIN, END = "<think>", "</think>"
_WHOLE = re.compile(r"\A\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)


def without_thoughts(text: str) -> str:
    """Return a complete text without the thoughts at its start."""
    return _WHOLE.sub("", text)


class Thoughts:
    """Splits a text that arrives in pieces into thoughts and answer."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "begin"  # then "thinking", then "saying"

    def feed(self, piece: str) -> Iterator[tuple[bool, str]]:
        """Yield (is_thought, text). The possible start of a tag is held back."""
        text, self._held = self._held + piece, ""
        if self._state == "begin":
            text = self._begin(text)
        if self._state == "thinking":
            thought, mark, rest = text.partition(END)
            if not mark:
                keep = _begun(thought, END)
                thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
            if thought:
                yield True, thought
            if not mark:
                return
            self._state, text = "saying", rest.lstrip()
        if self._state == "saying" and text:
            yield False, text

    def end(self) -> Iterator[tuple[bool, str]]:
        """Yield the held part of the text, which ends here."""
        held, self._held = self._held, ""
        if held:
            yield self._state == "thinking", held

    def _begin(self, text: str) -> str:
        """Decide, as soon as possible, whether the text starts with a thought; return the text to process now."""
        begun = text.lstrip()
        if begun.startswith(BEGIN):
            self._state = "thinking"
            return begun.removeprefix(BEGIN).lstrip()
        if BEGIN.startswith(begun):
            self._held = text
            return ""
        self._state = "saying"
        return text


def _begun(text: str, mark: str) -> int:
    """Return how many characters at the end of the text may be the start of the tag."""
    return next((size for size in range(len(mark) - 1, 0, -1) if text.endswith(mark[:size])), 0)
