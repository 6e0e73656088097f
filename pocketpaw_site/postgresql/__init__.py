"""Django's PostgreSQL backend with our connection pool; the settings name this package as the ENGINE."""
