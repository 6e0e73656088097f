"""Break the running product on purpose and check that it recovers: `python -m tests.chaos --help`."""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.rounds import Result, Round, fault_of
from tests.chaos.subject import Subject, forget_the_environment


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.split(":")[0])
    parser.add_argument("--rounds", type=int, default=20, help="rounds of each profile (20)")
    parser.add_argument("--seed", type=int, help="draw the same faults in the same order as a run that said it")
    parser.add_argument("--profile", choices=["embedded", "server", "both"], default="both")
    parser.add_argument("--only", type=int, metavar="ROUND", help="play this round of the seed alone")
    parser.add_argument("--fault", metavar="NAME", help="only faults whose name holds this")
    return parser.parse_args()


class Campaign:
    """All rounds of one profile."""

    def __init__(self, profile: str, *, seed: int, faults: list[Fault], rounds: int, kept: Path) -> None:
        self.profile, self.faults, self.kept = profile, faults, kept
        self.seed = f"{seed}/{profile}"
        self.subject: Subject | None = None
        self.rounds = rounds
        self.results: list[Result] = []
        self.broken_ends: list[str] = []

    def play(self, numbers: range) -> None:
        try:
            for number in numbers:
                self.one(number)
        finally:
            self.end_subject()

    def one(self, number: int) -> None:
        if self.subject is None:
            folder = Path(tempfile.mkdtemp(prefix=f"chaos-{self.profile}-"))
            self.subject = Subject(self.profile, folder, rounds=self.rounds)
            self.subject.start()
        fault = fault_of(number, self.faults, self.seed)
        result = Round(self.subject, fault, number=number, seed=f"{self.seed}/{number}").play()
        self.results.append(result)
        say(report.line(self.profile, result))
        if result.broken:
            place = self.kept / f"{self.profile}-{number}"
            self.subject.keep(place)
            say(f"      kept in {place}")
            self.end_subject()

    def end_subject(self) -> None:
        """End the product and its servers, and check that the product ends cleanly."""
        subject, self.subject = self.subject, None
        if subject is None:
            return
        ended = subject.end()
        for what in ended:
            say(f"{self.profile}: {what}")
        self.broken_ends += ended
        shutil.rmtree(subject.folder, ignore_errors=True)

    @property
    def is_clean(self) -> bool:
        return not self.broken_ends and not any(result.broken for result in self.results)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    wanted = arguments()
    forget_the_environment()
    seed = wanted.seed if wanted.seed is not None else random.SystemRandom().randrange(1_000_000)
    say(f"seed {seed}")
    kept = Path(tempfile.mkdtemp(prefix="chaos-kept-"))
    profiles = ["embedded", "server"] if wanted.profile == "both" else [wanted.profile]
    numbers = range(wanted.only, wanted.only + 1) if wanted.only else range(1, wanted.rounds + 1)
    campaigns = []
    for profile in profiles:
        faults = [fault for fault in FAULTS if profile in fault.profiles and (wanted.fault or "") in fault.name]
        campaign = Campaign(profile, seed=seed, faults=faults, rounds=len(numbers), kept=kept)
        campaigns.append(campaign)
        try:
            campaign.play(numbers)
        except pytest.skip.Exception as missing:
            say(f"The server profile is left out: {missing}")
        except pytest.fail.Exception as missing:
            say(f"The server profile cannot run: {missing}")
            return 1
    say(report.table({campaign.profile: campaign.results for campaign in campaigns if campaign.results}))
    clean = all(campaign.is_clean for campaign in campaigns)
    say(f"\nseed {seed}: " + ("all is well" if clean else f"FAILED; what failed is kept in {kept}"))
    if clean:
        shutil.rmtree(kept)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
