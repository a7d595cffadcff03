"""The HTTP status and the meaning of each code."""

from http import HTTPStatus

from django.conf import settings

from config.errors import Code

# These codes are not results of an operation: they always have their own HTTP status.
_ALWAYS: dict[Code, HTTPStatus] = {
    Code.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Code.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.TOO_MANY_REQUESTS: HTTPStatus.TOO_MANY_REQUESTS,
    Code.OUR_FAULT: HTTPStatus.INTERNAL_SERVER_ERROR,
    Code.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
# The HTTP status of refusals with API_NATIVE_STATUS. Every other code is 422.
_NATIVE: dict[Code, HTTPStatus] = {
    Code.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Code.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.CONFLICT: HTTPStatus.CONFLICT,
    Code.SMS_TOO_OFTEN: HTTPStatus.TOO_MANY_REQUESTS,
    Code.OUTSIDE_FAILED: HTTPStatus.BAD_GATEWAY,
    Code.WECHAT_REFUSED: HTTPStatus.UNAUTHORIZED,
    Code.NO_ROBOT_FREE: HTTPStatus.CONFLICT,
    Code.WITHDRAWAL_REFUSED: HTTPStatus.FORBIDDEN,
}


def http_status(code: Code, *, known: bool = False) -> int:
    """Return the HTTP status of a refusal. `known`: the caller is authenticated but lacks the permission."""
    if code in _ALWAYS:
        return _ALWAYS[code]
    if not settings.API_NATIVE_STATUS or code == Code.OK:
        return HTTPStatus.OK
    if code == Code.UNAUTHENTICATED and known:
        return HTTPStatus.FORBIDDEN
    return _NATIVE.get(code, HTTPStatus.UNPROCESSABLE_ENTITY)


# The meaning of each code in the API documentation.
MEANINGS: dict[Code, str] = {
    Code.OK: "成功",
    Code.OUTSIDE_FAILED: "外部服务失败",
    Code.UNAUTHENTICATED: "未登录或没有权限",
    Code.BAD_REQUEST: "请求参数错误",
    Code.NOT_FOUND: "没有找到",
    Code.METHOD_NOT_ALLOWED: "请求方法不支持",
    Code.CONFLICT: "重复或冲突的请求",
    Code.BODY_TOO_LARGE: "请求内容过大",
    Code.UNSUPPORTED_MEDIA_TYPE: "请求类型不支持",
    Code.TOO_MANY_REQUESTS: "操作太频繁",
    Code.OUR_FAULT: "系统出错",
    Code.UNAVAILABLE: "服务暂时不可用",
    Code.NO_ROBOT_FREE: "没有可分配的机器人",
    Code.MEMBERS_UNKNOWN: "群成员未知",
    Code.MESSAGE_NOT_SENT: "消息发送失败",
    Code.PHONE_MISSING: "缺少手机号",
    Code.IDENTITY_CARD_MISSING: "缺少身份证",
    Code.SENSITIVE_WORD: "含有敏感词",
    Code.LIMIT_REACHED: "达到上限，不能创建",
    Code.MINUTE_TAKEN: "同一群同一分钟已有消息",
    Code.PROFILE_ALREADY_COMPLETED: "资料已经补全",
    Code.SMS_CODE_WRONG: "短信验证码错误",
    Code.SMS_CODE_EXPIRED: "短信验证码已失效",
    Code.PHONE_TAKEN: "手机号已被绑定",
    Code.SMS_TOO_OFTEN: "短信发送太频繁",
    Code.WECHAT_REFUSED: "微信授权失败",
    Code.TRANSFER_FAILED: "转账失败",
    Code.BALANCE_TOO_SMALL: "余额不足",
    Code.ALREADY_WITHDREW_TODAY: "今天已经提现过",
    Code.WITHDRAWAL_REFUSED: "提现被拒绝",
}
