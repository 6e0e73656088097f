"""The command palette: find objects, pages and actions."""
