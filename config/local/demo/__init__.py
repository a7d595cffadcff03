"""A small demo world for local use, created through the public entry points only."""
