"""Admin pages of users, erasure requests, operators, changes of operators and API keys."""

from accounts.admin.api_keys import ApiKeyAdmin
from accounts.admin.erasure import ErasureRequestAdmin
from accounts.admin.operator_changes import OperatorChangeAdmin
from accounts.admin.operators import OperatorAdmin
from accounts.admin.user_history import figures_of_people
from accounts.admin.users import UserAdmin

__all__ = [
    "ApiKeyAdmin",
    "ErasureRequestAdmin",
    "OperatorAdmin",
    "OperatorChangeAdmin",
    "UserAdmin",
    "figures_of_people",
]
