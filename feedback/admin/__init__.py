"""Pages of problems, standard replies, conversations and forwarded messages for operators."""

from feedback.admin import conversations, problems, standard_replies

__all__ = ["conversations", "problems", "standard_replies"]
