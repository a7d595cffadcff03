"""A key that reviews withdrawals is made by one administrator and confirmed by another one.

Otherwise one administrator could make the second of two approvers. Whoever has the machine needs nobody: a key of the
command `create_api_key` is confirmed from the start.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import independence
from config.errors import Conflict
from config.models import ApiKey


class OwnApiKey(Conflict):
    message = "自己创建的密钥要由另一名管理员确认"


def confirm(pk: Any, *, by: str, at: datetime) -> bool:
    """Confirm a waiting key as its second administrator; false when it waits no more.

    Raises OwnApiKey or accounts.independence.NotIndependent.
    """
    with transaction.atomic():
        key = ApiKey.objects.select_for_update().get(pk=pk)
        if not key.needs_confirmation:
            return False
        if by == key.created_by:
            raise OwnApiKey
        independence.require(by, key.created_by, at=at)
        key.confirmed_at, key.confirmed_by = at, by
        key.save(update_fields=["confirmed_at", "confirmed_by"])
    return True
