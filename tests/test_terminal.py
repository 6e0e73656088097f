"""Text from others never controls a terminal, as a whole or in pieces."""

import pytest

from mission_control.terminal import MAX_HELD_CHARS, TerminalText, terminal_text

HOSTILE = [
    ("plain\ttext\r\nünï", "plain\ttext\nünï"),
    ("a\x1b]52;c;aGk=\x07b", "ab"),
    ("a\x1b]0;title\x1b\\b", "ab"),
    ("a\x9d0;title\x9cb", "ab"),
    ("a\x1b[2Jb\x9b31mc\x1b[38;5;1md", "abcd"),
    ("a\x1bPq\x1b\\b\x1b_x\x1b\\c\x1b^y\x07d", "abcd"),
    ("a\x1b(Bb\x1b7c\x07\x08\x00d", "abcd"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_sequences_that_steer_a_terminal_are_left_out(text, shown):
    assert terminal_text(text) == shown
    pieces = TerminalText()
    assert "".join(map(pieces.feed, text)) == shown


def test_a_sequence_without_end_is_not_held_for_ever():
    pieces = TerminalText()
    said = pieces.feed("a\x1b]52;" + "b" * MAX_HELD_CHARS) + pieces.feed("c")
    assert said.startswith("a") and said.endswith("c") and "\x1b" not in said
