"""A program that plays command-line agents: well-behaved ones from a transcript, and badly behaved ones.

The tests copy it to where they need it, so it imports only the standard library.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HOLD = "import os, signal, sys, time; exec(sys.argv[1]); time.sleep(600)"


def say(text: str) -> None:
    os.write(1, text.encode())


def child(prepare: str = "") -> int:
    """Start a child that sleeps for ten minutes, and return its pid."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, prepare])
    return process.pid


def play(transcript: str, status: str = "0", *_model: str) -> None:
    """Read the prompt to its end, then print the transcript's lines, about as slowly as people speak."""
    Path("heard").write_text(sys.stdin.read())
    for line in Path(transcript).read_text().splitlines(keepends=True):
        say(line)
    sys.exit(int(status))


def play_on(transcript: str, *_model: str) -> None:
    """Print the transcript's lines, then nothing for ten minutes."""
    for line in Path(transcript).read_text().splitlines(keepends=True):
        say(line)
    time.sleep(600)


def repeat(line: str, *_more: str) -> None:
    """Print the same line again and again, like a program that waits for the network."""
    while True:
        say(f"{line}\n")
        time.sleep(0.05)


def grumble(line: str, *_more: str) -> None:
    """Write the same line to standard error again and again, and nothing to standard output."""
    while True:
        os.write(2, f"{line}\n".encode())
        time.sleep(0.05)


def complain(transcript: str, errors: str, status: str) -> None:
    """Print the transcript's lines to standard output and those of another file to standard error."""
    for line in Path(errors).read_text().splitlines(keepends=True):
        os.write(2, line.encode())
    for line in Path(transcript).read_text().splitlines(keepends=True):
        say(line)
    sys.exit(int(status))


def crowd(processes: str) -> None:
    """Start many children."""
    say("busy\n")
    for _ in range(int(processes)):
        subprocess.Popen(["sleep", "600"])
    time.sleep(600)


def fill(path: str, bytes: str) -> None:
    """Write a file of that size, and print how many bytes were written."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    written = 0
    try:
        with open(path, "wb", buffering=0) as file:
            while written < int(bytes):
                written += file.write(b"x" * 65_536)
    except OSError as error:
        say(json.dumps({"written": written, "error": error.strerror}))
    else:
        say(json.dumps({"written": written, "error": ""}))


def settle(*folders: str) -> None:
    """Write into each folder something that a later run might obey, and print what was there before."""
    before = {}
    for folder in folders:
        found = Path(folder)
        before[folder] = sorted(str(path.relative_to(found)) for path in found.rglob("*") if path.is_file())
        for name in ("settings.json", "CLAUDE.md", ".credentials.json", "new.json", "projects/other/talk.jsonl"):
            try:
                (found / name).parent.mkdir(parents=True, exist_ok=True)
                (found / name).write_text("by the agent")
            except OSError:
                continue
    say(json.dumps(before))


def meet(port: str) -> None:
    """Print whether a port of this machine can be reached."""
    import socket

    with socket.socket() as ours:
        say(json.dumps({"reached": ours.connect_ex(("127.0.0.1", int(port))) == 0}))


def outlive() -> None:
    """Kill the guardian, and continue with a child in a session of its own."""
    pid = child("os.setsid()")
    say(f"{os.getpid()} {pid}\n")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    libc = __import__("ctypes").CDLL(None)
    libc.prctl(1, 0)  # do not die with the guardian
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


def echo(*names: str) -> None:
    """Print the prompt, the arguments, the folder and the environment."""
    say(json.dumps({"prompt": sys.stdin.read(), "argv": names, "cwd": os.getcwd(), "env": dict(os.environ)}))


def read_file(path: str) -> None:
    say(Path(path).read_text() + sys.stdin.read())


def fail(status: str) -> None:
    say("so far")
    sys.stderr.write("first\nconnecting\n\nkey sk-abcdefghijklmnopqrstuvwx of /srv/secret/file\nquota used up\n")
    sys.exit(int(status))


def deaf() -> None:
    """Ignore SIGTERM, with a child that ignores it too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(f"{os.getpid()} {child('signal.signal(signal.SIGTERM, signal.SIG_IGN)')}\n")
    time.sleep(600)


def family() -> None:
    """Start a child in our group, one in a group of its own, one in a session of its own, and an orphan."""
    orphan = "os.fork() and os._exit(0); os.setsid(); open('orphan', 'w').write(str(os.getpid()))"
    pids = [os.getpid(), child(), child("os.setpgid(0, 0)"), child("os.setsid()")]
    child(orphan)
    while not Path("orphan").exists() or not Path("orphan").read_text():
        time.sleep(0.01)
    say(" ".join(map(str, [*pids, Path("orphan").read_text()])) + "\n")
    if "leave" in sys.argv:
        return
    time.sleep(600)


def closes() -> None:
    say(f"{os.getpid()}\n")
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    time.sleep(600)


def flood(bytes: str) -> None:
    """Write that many bytes, and record how far it came."""
    Path("pid").write_text(str(os.getpid()))
    written = 0
    while written < int(bytes):
        written += os.write(1, b"x" * 65_536)
        Path("written").write_text(str(written))


def silent() -> None:
    say("one word\n")
    time.sleep(600)


def tidy() -> None:
    """Clean up on the signal to end."""

    def clean(*_: object) -> None:
        time.sleep(0.3)
        Path("cleaned").write_text("yes")
        sys.exit(0)

    signal.signal(signal.SIGTERM, clean)
    say("busy\n")
    time.sleep(600)


def raw(path: str) -> None:
    sys.stdout.buffer.write(Path(path).read_bytes())


def look(*paths: str) -> None:
    """Print which of the paths can be read, which processes are visible, and what can be written."""
    seen = {path: os.access(path, os.R_OK) for path in paths}
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    for path in paths:
        if Path(path).is_dir():
            try:
                Path(path, "mark").write_text("here")
                seen[f"{path} w"] = True
            except OSError:
                seen[f"{path} w"] = False
    say(json.dumps({"seen": seen, "pids": len(pids), "env": dict(os.environ), "uid": os.getuid()}))


def open_kernel() -> None:
    """Print which kernel files can be opened for writing, by this program or in namespaces of its own."""
    opened = []
    for root, folders, files in os.walk("/proc"):
        if root == "/proc":
            folders[:] = [name for name in folders if not name.isdigit() and name not in {"self", "thread-self"}]
        for file in files:
            try:
                os.close(os.open(os.path.join(root, file), os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                continue
            opened.append(os.path.join(root, file))
    again = "mount -t proc proc /tmp || umount /proc/sys || mount -o remount,rw,bind /proc/sys"
    nested = subprocess.run(["unshare", "-Urmpf", "sh", "-c", again], capture_output=True)
    say(json.dumps({"opened": opened, "nested": nested.returncode == 0, "memory": memory_without_a_size()}))


def memory_without_a_size() -> list[str]:
    """Return the writable in-memory mounts that have no size limit."""
    mounts = [line.split()[1:4] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [
        place
        for place, kind, options in mounts
        if kind == "tmpfs" and "ro" not in options.split(",") and "size=" not in options
    ]


if __name__ == "__main__":
    globals()[sys.argv[1]](*[word for word in sys.argv[2:] if word != "leave"])
