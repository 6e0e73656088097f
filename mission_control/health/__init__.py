"""Checks of what the product needs: disk space, the schema of the database, and its services."""
