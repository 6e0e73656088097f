"""How much is measured in one round."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    warm_ups: int = 4
    runs: int = 50
    project_tasks: int = 500
    requests: int = 100
    chunks: int = 10_000
    fan_outs: int = 3
    stalls: int = 2
    refusals: int = 100
    refusing_seconds: float = 3
    idle_seconds: float = 20
    page_loads: int = 10
    lines: int = 50_000


QUICK = Scale(
    warm_ups=2,
    runs=5,
    project_tasks=25,
    requests=10,
    chunks=1_000,
    fan_outs=1,
    stalls=1,
    refusals=10,
    refusing_seconds=0.5,
    idle_seconds=2,
    page_loads=3,
    lines=2_000,
)
