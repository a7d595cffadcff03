"""Serializers of sign-in, profiles, phones and identity cards."""

from typing import Any

from rest_framework import serializers

from accounts.posters import KINDS
from accounts.verification import PHONE_PATTERN
from config.api.fields import DisplayNameField, NullableStringField, PatternField, StrictStringField


class WeChatCallback(serializers.Serializer[Any]):
    app_id = StrictStringField(max_length=64)
    code = StrictStringField(max_length=256)


class WeChatUserInfo(serializers.Serializer[Any]):
    openid = serializers.CharField()
    nickname = serializers.CharField()
    sex = serializers.IntegerField()
    language = serializers.CharField()
    city = serializers.CharField()
    province = serializers.CharField()
    country = serializers.CharField()
    headimgurl = serializers.CharField()
    privilege = serializers.ListField(child=serializers.CharField())
    unionid = serializers.CharField()


class UnionId(serializers.Serializer[Any]):
    union_id = StrictStringField(max_length=128)


class AccessToken(serializers.Serializer[Any]):
    access_token = serializers.CharField()


class _Me(serializers.Serializer[Any]):
    user_id = serializers.UUIDField()


class Me(serializers.Serializer[Any]):
    me = _Me()


class Phone(serializers.Serializer[Any]):
    phone = PatternField(PHONE_PATTERN, error_messages={"invalid": "应为 11 位大陆手机号"})


class PhoneProof(Phone):
    code = PatternField(r"^[0-9]{6}$", error_messages={"invalid": "应为 6 位数字"})


_HANZI = "[\u3007\u3400-\u9fff\U00020000-\U0003ffff]"  # 〇 occurs in names and is no ideograph in Unicode
# The characters that keyboards and input methods produce for the dot between the parts of a name.
_DOTS = str.maketrans(dict.fromkeys("•．・･‧․⋅∙·⸱⦁ㆍ●.", "·"))


class PersonName(PatternField):
    """A name as printed on an identity card: Chinese characters, in some names with · between the parts."""

    def __init__(self, **kwargs: Any) -> None:
        message = "应为 2 到 30 个汉字，少数民族姓名的间隔点“·”只能在汉字之间"
        errors: dict[str, Any] = dict.fromkeys(("invalid", "min_length", "max_length"), message)
        super().__init__(
            rf"^{_HANZI}+(·{_HANZI}+)*\Z", min_length=2, max_length=30, error_messages=errors, **kwargs
        )

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data.translate(_DOTS) if isinstance(data, str) else data)


class IdentityCard(serializers.Serializer[Any]):
    id_number = StrictStringField(max_length=18)
    name = PersonName(help_text="证件姓名；间隔点的各种写法都会保存为“·”")


class TicketPage(serializers.Serializer[Any]):
    app_id = StrictStringField(max_length=64)
    url = StrictStringField(max_length=2048)


class SignedPage(serializers.Serializer[Any]):
    """The signature for WeChat's JS-SDK. `app_id` repeats `appid`, because clients in use read either."""

    appid = serializers.CharField()
    app_id = serializers.CharField()
    timestamp = serializers.CharField()
    noncestr = serializers.CharField()
    signature = serializers.CharField()


class PosterKind(serializers.Serializer[Any]):
    """The kind of a poster. An unknown kind becomes the default, because an <img> cannot show an error message."""

    type = StrictStringField(
        max_length=32, required=False, default="default", help_text="default、fourstar、fivestar，其他值同 default"
    )

    def validate_type(self, kind: str) -> str:
        return kind if kind in KINDS else "default"


class Refreshed(serializers.Serializer[Any]):
    appid = StrictStringField(max_length=64)
    head_url = NullableStringField(max_length=1024)
    nick_name = DisplayNameField(max_length=128)
    open_id = NullableStringField(max_length=128)
