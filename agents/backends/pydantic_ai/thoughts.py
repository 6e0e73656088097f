"""Thoughts that a model writes into its text, between `<think>` and `</think>`, told apart from the text."""

import re
from collections.abc import Iterator

BEGIN, END = "<think>", "</think>"
_WHOLE = re.compile(r"\A\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)


def without_thoughts(text: str) -> str:
    """Return a whole text without the thoughts at its beginning."""
    return _WHOLE.sub("", text)


class Thoughts:
    """One text that comes in pieces: what of it is thought, and what is said."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "begin"  # then "thinking", then "saying"

    def feed(self, piece: str) -> Iterator[tuple[bool, str]]:
        """Yield what is known to be a thought (True) or said (False). The beginning of a mark is held back."""
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
        """Yield what is held: the text ends here."""
        held, self._held = self._held, ""
        if held:
            yield self._state == "thinking", held

    def _begin(self, text: str) -> str:
        """Decide what the text begins with, as soon as it shows; return what is to be read now."""
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
    """Return how many characters at the text's end may be the beginning of the mark."""
    return next((size for size in range(len(mark) - 1, 0, -1) if text.endswith(mark[:size])), 0)
