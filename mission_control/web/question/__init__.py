"""Questions of agents and approvals of tool calls: shown on several pages, answered there."""
