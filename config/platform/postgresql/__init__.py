"""The database engine: Django's PostgreSQL engine with a check of kept connections that costs no statement."""
