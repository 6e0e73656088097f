"""Look into project folders, and nowhere else."""

from pathlib import Path

from django.conf import settings


def inside_projects(path: str) -> Path | None:
    """Return the real path inside the projects' folders that `path` names; None when it leads out or nowhere.

    `path` is relative to the folder of all projects, or absolute and inside it. Links are followed before the
    check, so that none leads out.
    """
    root = settings.PROJECTS_DIR.resolve()
    try:
        real = (root / path.removeprefix("~").lstrip() if path not in ("", "~", "/") else root).resolve()
        return real if real.is_relative_to(root) and real.exists() else None
    except (OSError, ValueError, RuntimeError):
        return None


def browse(path: str, *, most: int = 1_000) -> dict:
    """List a folder: `{"path", "files": [{"name", "isDir", "size"}]}`, folders first; none when it is not ours."""
    folder = inside_projects(path)
    files = []
    if folder is not None and folder.is_dir():
        for entry in sorted(folder.iterdir(), key=lambda entry: (not entry.is_dir(), entry.name.lower()))[:most]:
            is_dir = entry.is_dir()
            size = 0 if is_dir or entry.is_symlink() else entry.stat().st_size
            files.append({"name": entry.name, "isDir": is_dir, "size": size})
    return {"path": path, "files": files}
