"""Where a client stands in each run's log: what it gets next, whatever the channel layer loses or repeats."""

from collections.abc import AsyncIterator, Mapping

from mission_control.models import Run
from mission_control.realtime.frames import Frame, RunHeader, run_frames
from mission_control.realtime.publisher import Message
from mission_control.realtime.relay import BATCH, Follower
from mission_control.runs import events


class Cursor:
    """The numbers that one socket or stream has been given, run by run. A run that is not known begins at 1."""

    MOST_RUNS = 5_000

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.at: dict[str, int] = {}

    def place(self, run: str, seq: int) -> None:
        """Say that the client has everything of a run up to number `seq`."""
        self.at[run] = seq
        if len(self.at) > self.MOST_RUNS:
            del self.at[next(iter(self.at))]

    async def advance(self, message: Message) -> list[Frame]:
        """Return what the client lacks, given frames of a run that just came: the next, or all up to them."""
        run = message["run"]
        at = self.at.get(run, 0)
        frames = [Frame(*frame) for frame in message["frames"] if frame[0] > at]
        if frames and frames[0].seq > at + 1:
            frames = await self.missing(run, upto=frames[-1].seq)
        if frames:
            self.place(run, frames[-1].seq)
        return frames

    async def behind(self, positions: Mapping[str, int]) -> list[Frame]:
        """Return what the client lacks of the runs that it follows, given where they stand."""
        frames: list[Frame] = []
        for run, seq in positions.items():
            if seq > self.at.get(run, 0):
                lacking = await self.missing(run, upto=seq)
                if lacking:
                    self.place(run, lacking[-1].seq)
                frames += lacking
        return frames

    async def missing(self, run: str, *, upto: int | None = None) -> list[Frame]:
        return await self.follower.read(stored_frames, run, self.at.get(run, 0), upto=upto)

    async def replay(self, run: str, *, after: int) -> AsyncIterator[list[Frame]]:
        """Yield batches of what is stored of a run behind number `after`, moving along."""
        self.place(run, after)
        while True:
            frames = await self.follower.read(stored_frames, run, self.at[run], upto=None, limit=BATCH)
            if frames:
                self.place(run, frames[-1].seq)
                yield frames
            if len(frames) < BATCH:
                return


def stored_frames(run_id: str, after: int, *, upto: int | None, limit: int | None = None) -> list[Frame]:
    """Read frames of a run from the database: those behind number `after`, in order."""
    run = Run.objects.light().filter(pk=run_id).first()
    if run is None:
        return []
    rows = events.after(run.pk, after, limit=limit if upto is None else upto - after)
    return run_frames(RunHeader.of(run), rows)
