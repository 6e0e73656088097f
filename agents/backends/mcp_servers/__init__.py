"""MCP servers for agents: the option `mcp_servers`, its rules, the start of servers, and what programs read.

`definitions` has the option, its schema and its rules; `client` connects to a server; `starting` checks before a
run which servers start; `forms` writes the configuration of each known program.
"""
