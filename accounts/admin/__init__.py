"""Pages about people: users, and the operators themselves."""

from accounts.admin.erasure import ErasureRequestAdmin
from accounts.admin.operator_changes import OperatorChangeAdmin
from accounts.admin.operators import OperatorAdmin
from accounts.admin.users import UserAdmin

__all__ = ["ErasureRequestAdmin", "OperatorAdmin", "OperatorChangeAdmin", "UserAdmin"]
