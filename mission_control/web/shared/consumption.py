"""What a run has used so far, with the limits that its agent has: "$3.59 of $5". Later values: `usage.js`."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from mission_control.formatting import dollars, full_count
from mission_control.models import Run
from mission_control.runs.limits import RunLimits


@dataclass(frozen=True, slots=True)
class Consumption:
    """The tokens and the cost of a run, None if unknown; the limits are texts, empty for none."""

    run_id: UUID
    tokens: int | None
    cost: float | None
    token_limit: str = ""
    cost_limit: str = ""

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return it for a run. Of an active run, its agent must be loaded; an ended one has no limit any more."""
        known = [number for number in (run.input_tokens, run.output_tokens) if number is not None]
        tokens, cost = sum(known) if known else None, None if run.cost_usd is None else float(run.cost_usd)
        if not run.is_active:
            return cls(run.pk, tokens, cost)
        limits = RunLimits.of(run.agent)
        return cls(
            run.pk,
            tokens,
            cost,
            full_count(limits.total_tokens) if limits.total_tokens else "",
            dollars(limits.cost_usd).removesuffix(".00") if limits.cost_usd else "",
        )

    @property
    def cost_text(self) -> str:
        if self.cost is None:
            return ""
        return f"{dollars(self.cost)} of {self.cost_limit}" if self.cost_limit else dollars(self.cost)

    @property
    def tokens_text(self) -> str:
        if self.tokens is None:
            return ""
        limit = f" of {self.token_limit}" if self.token_limit else ""
        return f"{full_count(self.tokens)}{limit} tokens"
