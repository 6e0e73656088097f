"""The job queue in the database, and how processes wake each other."""
