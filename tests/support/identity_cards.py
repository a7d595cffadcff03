"""Identity cards, as a user enters them."""

import json
from typing import Any

from django.utils import timezone

from accounts.identity_keys import card_cipher
from accounts.models import User
from tests.factories.people import UserFactory
from tests.support.client import ApiClient

REAL, OTHER = "11010519491231002X", "440308199901101512"
TAKEN = "该身份证已被其他账号使用，请给机器人发送“菜单”并选择 5 联系客服（id_number）"


def enter_card(user: User, id_number: str = REAL, name: str = "王小明") -> dict:
    return ApiClient(user).put("/user/idcard", {"id_number": id_number, "name": name})


def with_old_card(id_number: str = REAL, **fields: Any) -> User:
    """Create a user whose card was stored before cards had hashes."""
    sealed = card_cipher().encrypt(json.dumps({"id_number": id_number, "name": "王小明"}).encode())
    return UserFactory(identity_sealed=sealed, identity_given_at=timezone.now(), **fields)
