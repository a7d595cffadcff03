"""Signing in to the admin through its form, with a password and the second factor."""

from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

PASSWORD, OTHER_PASSWORD = "a-Long-Word-7", "b-Long-Word-8"


def password_form(password: str = PASSWORD) -> dict[str, str]:
    """Return the form in which an administrator sets an operator's password."""
    return {"usable_password": "true", "password1": password, "password2": password}


def sign_in(client: Client, password: str = PASSWORD, code: str = "", **headers: str) -> str:
    """Sign in as root. Returns the page that follows."""
    form = {"username": "root", "password": password, "code": code}
    return client.post("/admin/login/?next=/admin/", form, follow=True, headers=headers).text


def code_of(device: TOTPDevice) -> str:
    """Return the code that the authenticator app shows now."""
    return f"{totp(device.bin_key):06}"


def is_signed_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200
