"""A client's replay position in each run's log: it misses nothing that the channel layer loses or repeats."""

from collections.abc import AsyncIterator, Mapping

from mission_control.models import Run
from mission_control.realtime.frames import Frame, RunHeader, run_frames
from mission_control.realtime.publisher import Message
from mission_control.realtime.relay import BATCH_SIZE, Relay
from mission_control.runs import events


class ReplayPosition:
    """The number of the last event that one socket or stream has received, by run; 0 for an unknown run."""

    MAX_RUNS = 5_000

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.seqs: dict[str, int] = {}

    def set(self, run: str, seq: int) -> None:
        """Record that the client has all events of a run up to number `seq`."""
        self.seqs[run] = seq
        if len(self.seqs) > self.MAX_RUNS:
            del self.seqs[next(iter(self.seqs))]

    async def advance(self, message: Message) -> list[Frame]:
        """Return the frames of a message that the client lacks; read missing earlier ones from the database."""
        run = message["run"]
        last = self.seqs.get(run, 0)
        frames: list[Frame] = [frame for frame in message["frames"] if frame.seq > last]
        if frames and frames[0].seq > last + 1:
            frames = await self.missing(run, upto=frames[-1].seq)
        if frames:
            self.set(run, frames[-1].seq)
        return frames

    async def catch_up(self, positions: Mapping[str, int]) -> list[Frame]:
        """Return the frames that the client lacks, given the last event number of each run that it follows."""
        frames: list[Frame] = []
        for run, seq in positions.items():
            if seq > self.seqs.get(run, 0):
                missing = await self.missing(run, upto=seq)
                if missing:
                    self.set(run, missing[-1].seq)
                frames += missing
        return frames

    async def missing(self, run: str, *, upto: int | None = None) -> list[Frame]:
        return await self.relay.read(stored_frames, run, self.seqs.get(run, 0), upto=upto)

    async def replay(self, run: str, *, after: int) -> AsyncIterator[list[Frame]]:
        """Yield batches of a run's stored frames after number `after`, and advance the position."""
        self.set(run, after)
        while True:
            frames = await self.relay.read(stored_frames, run, self.seqs[run], upto=None, limit=BATCH_SIZE)
            if frames:
                self.set(run, frames[-1].seq)
                yield frames
            if len(frames) < BATCH_SIZE:
                return


def stored_frames(run_id: str, after: int, *, upto: int | None, limit: int | None = None) -> list[Frame]:
    """Read a run's frames after number `after` from the database, in order."""
    run = Run.objects.light().filter(pk=run_id).first()
    if run is None:
        return []
    rows = events.after(run.pk, after, limit=limit if upto is None else upto - after)
    return run_frames(RunHeader.of(run), rows)
