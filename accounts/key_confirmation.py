"""Confirmation of API keys that review withdrawals: one administrator creates a key, another one confirms it.

Otherwise one administrator could create the second of two approvers. A key of the command `create_api_key` is confirmed
from the start, because its author has access to the server anyway.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_noop

from accounts import independence
from config.errors import Conflict
from config.models import ApiKey


class OwnApiKey(Conflict):
    message = gettext_noop("自己创建的密钥要由另一名管理员确认")


def confirm_key(pk: UUID, *, by: str, at: datetime) -> bool:
    """Confirm a waiting key as its second administrator. Returns False when it is no longer waiting.

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
