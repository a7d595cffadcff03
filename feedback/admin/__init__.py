"""Pages of problems, standard replies, conversations and forwarded messages for operators."""

from feedback.admin import conversations, person_history, problems, standard_replies

__all__ = ["conversations", "person_history", "problems", "standard_replies"]
