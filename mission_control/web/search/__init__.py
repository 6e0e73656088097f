"""The palette: find objects, pages and actions."""
