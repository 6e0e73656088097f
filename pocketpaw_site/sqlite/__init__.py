"""Django's SQLite backend, whose transactions take turns; the settings name this package as the ENGINE."""
