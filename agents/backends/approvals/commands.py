"""Shell commands as approval rules read them: the commands that one line contains.

No reading of a shell's text is complete. So there are two: the commands of a line of which all is understood,
which allow rules need, and every text that might be run as a command, which deny and ask rules search.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

MOST_CHARS = 30_000  # of a command that is read
MOST_SPELLINGS = 600_000  # characters of all that it may run
MOST_PIECES = 500
MOST_WORDS = 50  # of a piece: after so many no other program is searched
DEEPEST = 3  # commands in commands, such as `sh -c "sh -c …"`

_BLANK = " \t\n"
_PLAIN = re.compile(r"[^'\"\\`$(){}<>;&|\n#\x00-\x08\x0b-\x1f\x7f]+")
_SAFE_REDIRECT = re.compile(r"[0-9]*(?:>>?|<) ?/dev/null(?=[\s;&|]|$)|[0-9]?[<>]&(?:[0-9]|-)(?=[\s;&|]|$)")
_SEPARATORS = re.compile(r"\|\||&&|[;&|\n`(){}]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]]*\])?\+?=")
_REDIRECT = re.compile(r"[0-9]*(?:&?>>?|<+)&?")
_KEYWORDS = {"then", "do", "else", "elif", "if", "while", "until", "!", "time", "coproc", "case", "in", "function"}
# They run the program that their arguments name.
_WRAPPERS = {
    *(
        "sudo",
        "doas",
        "env",
        "timeout",
        "nice",
        "nohup",
        "time",
        "stdbuf",
        "setsid",
        "ionice",
        "chroot",
        "unshare",
    ),
    *("xargs", "find", "parallel", "watch", "exec", "command", "builtin", "busybox", "bwrap", "strace", "script"),
    *("npx", "uvx", "flock", "taskset", "chrt", "su", "runuser"),
}
_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "ash", "fish"}
# Programs in front of a command that change only its time, its priority and its output: allow rules ignore them.
_HARMLESS_WRAPPER = re.compile(
    r"(?:timeout [0-9.]+[smhd]?|time|nohup|nice(?: -n ?-?[0-9]+)?|stdbuf(?: -[ioe][0-9L]+)+) +"
)


@dataclass
class Reading:
    """What a line runs: its commands in order, and whether these are surely all that it does."""

    pieces: list[str] = field(default_factory=list)
    is_certain: bool = True


def read_command(command: str) -> Reading:
    """Split a line at `&&`, `||`, `;`, `|`, `&` and ends of lines.

    It is uncertain if it has more than that and quoted words: substitutions, groups, redirections to files,
    heredocs, comments, or if it is too long.
    """
    if len(command) > MOST_CHARS:
        return Reading([], is_certain=False)
    reading, current, at = Reading(), "", 0
    while at < len(command):
        if (separator := _separator(command, at)) is not None:
            reading.pieces.append(current)
            current, at = "", at + separator
            continue
        length, is_certain = _token(command, at)
        if command[at : at + 2] != "\\\n":  # the shell joins such lines
            current += command[at : at + length]
        reading.is_certain &= is_certain
        at += length
    reading.pieces.append(current)
    reading.pieces = [piece for one in reading.pieces if (piece := one.strip(_BLANK))]
    reading.is_certain &= 0 < len(reading.pieces) <= MOST_PIECES
    return reading


def _separator(command: str, at: int) -> int | None:
    """Return the length of the separator here; None if there is none."""
    if command[at] not in ";&|\n":
        return None
    if command[at] == "&" and (command[at - 1 : at] in ("<", ">") or command[at + 1 : at + 2] == ">"):
        return None  # of a redirection
    return 2 if command[at : at + 2] in ("&&", "||", "|&", ";;") else 1


def _token(command: str, at: int) -> tuple[int, bool]:
    """Return the length of the token at `at`, and whether it is harmless: it runs no command and hides none."""
    if match := _SAFE_REDIRECT.match(command, at) or _PLAIN.match(command, at):
        # The digits before a redirection belong to it.
        if match.re is _PLAIN and command[match.end() : match.end() + 1] in ("<", ">"):
            kept = len(match[0].rstrip("0123456789"))
            return (kept, True) if kept else _redirection(command, at, match.end())
        return len(match[0]), True
    match command[at]:
        case "'":
            end = command.find("'", at + 1)
            return (end + 1 - at, True) if end != -1 else (len(command) - at, False)
        case '"':
            return _double_quoted(command, at)
        case "\\":
            return min(2, len(command) - at), at + 1 < len(command)
        case "$":
            return 1, command[at + 1 : at + 2] not in tuple("({['\"")
        case "#":
            return 1, at > 0 and command[at - 1] not in " \t\n;&|"
        case "{" | "}":
            return 1, False
    return 1, False


def _redirection(command: str, at: int, sign: int) -> tuple[int, bool]:
    match = _SAFE_REDIRECT.match(command, at)
    return (len(match[0]), True) if match else (sign + 1 - at, False)


def _double_quoted(command: str, at: int) -> tuple[int, bool]:
    is_certain, place = True, at + 1
    while place < len(command) and command[place] != '"':
        if command[place] == "`" or command[place : place + 2] in ("$(", "${", "$["):
            is_certain = False
        place += 2 if command[place] == "\\" else 1
    return min(place + 1, len(command)) - at, is_certain and place < len(command)


def without_harmless_wrapper(piece: str) -> str:
    """Return a command without `timeout 30`, `time`, `nohup`, `nice` and `stdbuf` in front of it."""
    while match := _HARMLESS_WRAPPER.match(piece):
        piece = piece[match.end() :]
    return piece


@lru_cache(maxsize=16)
def possible_commands(command: str) -> tuple[list[str], bool]:
    """Return all texts that may be run as a command, in several spellings; too many rather than too few.

    The second value says whether that is all: it is not if the command is too long to be read.
    """
    found: dict[str, None] = {}
    left = MOST_SPELLINGS
    for text in _possible(command[:MOST_CHARS], DEEPEST):
        found[text] = None
        left -= len(text) + 1
        if left < 0:
            return list(found), False
    return list(found), len(command) <= MOST_CHARS


def _possible(command: str, depth: int) -> Iterator[str]:
    yield command.strip()
    reading = read_command(command)
    pieces = reading.pieces
    if not reading.is_certain:
        # Quotes may hide what the shell runs, or show what it does not: every part counts.
        pieces = [*pieces, *_SEPARATORS.split(command)]
    for piece in pieces:
        yield from _spellings(piece.strip(), depth)


def _spellings(piece: str, depth: int) -> Iterator[str]:
    """Yield the command as written, without its prefixes, and each command that it runs itself."""
    yield piece
    words = _words(piece)
    while words and (_ASSIGNMENT.match(words[0]) or words[0] in _KEYWORDS or _REDIRECT.match(words[0])):
        is_redirect = _REDIRECT.fullmatch(words[0]) is not None
        words = words[2 if is_redirect else 1 :]
        yield " ".join(words)
    if not words:
        return
    yield " ".join(words)
    program = words[0].rpartition("/")[2]
    yield " ".join([program, *words[1:]])
    if program in _WRAPPERS:
        for start in range(1, min(len(words), MOST_WORDS)):
            rest = [words[start].rpartition("/")[2], *words[start + 1 :]]
            yield " ".join(words[start:])
            yield " ".join(rest)
            if rest[0] in _SHELLS and depth:
                yield from _nested(rest, depth)
    if depth and (program in _SHELLS or program == "eval"):
        yield from _nested([program, *words[1:]], depth)


def _nested(words: list[str], depth: int) -> Iterator[str]:
    if words[0] == "eval":
        yield from _possible(" ".join(words[1:]), depth - 1)
        return
    for word in words[1:MOST_WORDS]:
        if " " in word or not word.startswith("-"):
            yield from _possible(word, depth - 1)


def _words(piece: str) -> list[str]:
    """Return the words of a command without their quotes, as well as these can be read."""
    try:
        return shlex.split(piece, posix=True)
    except ValueError:
        return re.sub(r"['\"\\]", "", piece).split()
