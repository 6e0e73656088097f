"""How much is measured in one round."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    warm_ups: int = 4
    runs: int = 25
    project_tasks: int = 75
    requests: int = 100
    writing_seconds: float = 3
    chunks: int = 10_000
    fan_outs: int = 1
    stalls: int = 2
    refusals: int = 50
    idle_seconds: float = 10
    page_loads: int = 5
    busy_seconds: float = 5
    lines: int = 20_000
    events: tuple[int, ...] = (100, 1_000, 10_000, 50_000)


QUICK = Scale(
    warm_ups=1,
    runs=5,
    project_tasks=15,
    requests=10,
    writing_seconds=0.5,
    chunks=1_000,
    fan_outs=1,
    stalls=1,
    refusals=5,
    idle_seconds=1,
    page_loads=1,
    busy_seconds=2,
    lines=500,
    events=(100, 1_000),
)
