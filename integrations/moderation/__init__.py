"""Sensitive words: finding them, importing lists, asking the remote service."""
