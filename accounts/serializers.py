"""People at the border."""

from typing import Any

from rest_framework import serializers

from accounts.verification import PHONE_PATTERN


class WeChatCallback(serializers.Serializer[Any]):
    app_id = serializers.CharField(max_length=64)
    code = serializers.CharField(max_length=256)


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
    union_id = serializers.CharField(max_length=128)


class AccessToken(serializers.Serializer[Any]):
    access_token = serializers.CharField()


class _Me(serializers.Serializer[Any]):
    user_id = serializers.UUIDField()


class Me(serializers.Serializer[Any]):
    me = _Me()


class Phone(serializers.Serializer[Any]):
    phone = serializers.RegexField(PHONE_PATTERN, error_messages={"invalid": "应为 11 位大陆手机号"})


class PhoneProof(Phone):
    code = serializers.RegexField(r"^[0-9]{6}$", error_messages={"invalid": "应为 6 位数字"})
