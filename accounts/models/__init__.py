"""Models of people: users of the robot platform, operators, and erasure requests."""

from accounts.models.erasure import ErasureRequest
from accounts.models.notes import UserNote
from accounts.models.operators import Operator, OperatorChange
from accounts.models.people import (
    CompletionKey,
    EndedBlock,
    IdentityHashKey,
    User,
    UserManager,
    UserQuerySet,
    VerificationCode,
)

__all__ = [
    "CompletionKey",
    "EndedBlock",
    "ErasureRequest",
    "IdentityHashKey",
    "Operator",
    "OperatorChange",
    "User",
    "UserManager",
    "UserNote",
    "UserQuerySet",
    "VerificationCode",
]
