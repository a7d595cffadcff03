"""The doors of groups for clients and outside systems."""
