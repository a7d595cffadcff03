"""The serializers of the robots API."""

from typing import Any

from rest_framework import serializers

from config.api.fields import AddressParameterField, NullableStringField, ReferenceField, StrictStringField
from robots.models import Robot


class ScanPage(serializers.Serializer[Any]):
    open_id = NullableStringField(max_length=128)
    union_id = StrictStringField(max_length=128)
    sharing_user_id = AddressParameterField(max_length=128)
    channel = AddressParameterField(max_length=64)


class AssignedRobot(serializers.Serializer[Robot]):
    head_url = serializers.CharField(source="avatar_url")
    qr_code = serializers.CharField(source="qr_code_url")
    wechat_no = serializers.CharField()
    name = serializers.CharField()


class ShownRobot(serializers.Serializer[Robot]):
    robot_id = serializers.UUIDField(source="id")
    robot_name = serializers.CharField(source="name")
    qr_code = serializers.CharField(source="qr_code_url")
    head_url = serializers.CharField(source="avatar_url")
    wechat_no = serializers.CharField()


class OwnRobot(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    wechat_no = serializers.CharField()


class RobotNamed(serializers.Serializer[Any]):
    robot_id = ReferenceField()
