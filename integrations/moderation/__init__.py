"""Moderation: the list of sensitive words, the search for them, the import of lists, and the remote check."""
