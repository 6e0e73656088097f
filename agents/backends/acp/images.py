"""Pictures that people attached to a task, as content of a prompt."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.backends.acp.files import FileMissing, FileRefused, Files

MOST_PICTURES = 20
ALL_BYTES = 15_000_000
NAME_CHARS = 200
_STARTS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, with its path in the working folder."""

    name: str
    block: dict[str, Any]


def read(files: Sequence[Path], workdir: Path, seen: Sequence[str]) -> tuple[list[Picture], list[str]]:
    """Return the pictures among files of the working folder, and notices about those that cannot be sent."""
    reader, left = Files(workdir), ALL_BYTES
    found: list[Picture] = []
    notices: list[str] = []
    for path in files:
        name = _name(path, workdir)
        if name in seen or path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".gif", ".webp"):
            continue
        try:
            content = reader.read_bytes(str(path))
        except (FileMissing, FileRefused) as why:
            notices.append(f"The picture {name} was not sent with the prompt: {why or 'it is missing'}")
            continue
        kind = _kind(content)
        if not kind or len(content) > left or len(found) >= MOST_PICTURES:
            reason = "there are too many" if kind else "it is not PNG, JPEG, GIF or WebP"
            notices.append(f"The picture {name} was not sent with the prompt: {reason}")
            continue
        left -= len(content)
        data = base64.b64encode(content).decode()
        found.append(Picture(name, {"type": "image", "mimeType": kind, "data": data}))
    return found, notices


def state(names: Sequence[str]) -> dict[str, list[str]] | None:
    """Return what is kept with the session, so that a continued one does not get its pictures again."""
    return {"pictures": list(names)[-100:]} if names else None


def seen_in(kept: Any) -> list[str]:
    """Return the names of the pictures that the session has, from what was kept with it."""
    names = kept.get("pictures") if isinstance(kept, dict) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _name(path: Path, workdir: Path) -> str:
    place = path.relative_to(workdir.absolute()) if path.is_relative_to(workdir.absolute()) else Path(path.name)
    return str(place)[:NAME_CHARS]


def _kind(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _STARTS if content.startswith(start)), "")
