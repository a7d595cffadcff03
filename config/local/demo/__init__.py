"""A small living world for local use, made through the public doors only."""
