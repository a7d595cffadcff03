"""Calls to WeChat about a visitor, with WeChat's errors translated into error codes of the API."""

from config.errors import Code, OutsideFailed, Refusal
from integrations.http import OutsideError, Refused
from integrations.wechat.login import WeChat, WeChatProfile
from integrations.wechat.tickets import js_sdk_parameters


class WeChatRefused(Refusal):
    code = Code.WECHAT_REFUSED
    message = "微信授权失败，请重新打开页面授权"


class WeChatDown(OutsideFailed):
    message = "微信暂时没有响应，请稍后再试"


def page_signature(app_id: str, url: str, *, at: int) -> dict[str, str]:
    """Return the signature of this page for the JS-SDK.

    Raises WeChatRefused (2501) for an unknown app, WeChatDown (1101) when WeChat does not answer.
    """
    try:
        return js_sdk_parameters(app_id, url, at=at)
    except Refused as error:
        raise WeChatRefused from error
    except OutsideError as error:
        raise WeChatDown from error


def profile_of(app_id: str, oauth_code: str) -> WeChatProfile:
    """Return the profile of the visitor who opened the page.

    Raises WeChatRefused (2501) when WeChat refuses the code, WeChatDown (1101) when it does not answer in time.
    """
    try:
        return WeChat.from_settings().profile(app_id, oauth_code)
    except Refused as error:
        raise WeChatRefused from error
    except OutsideError as error:
        raise WeChatDown from error
