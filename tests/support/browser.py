"""The admin in a browser."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group as Role
from playwright.sync_api import Page, expect

from tests.factories.people import OperatorFactory
from tests.support.admin_sign_in import PASSWORD


def sign_in_as(page: Page, role: str) -> Page:
    """Sign in as an operator with this role."""
    operator = OperatorFactory(username=role, is_superuser=False, password=make_password(PASSWORD))
    operator.groups.add(Role.objects.get(name=role))
    page.goto("/admin/")
    page.fill("#id_username", role)
    page.fill("#id_password", PASSWORD)
    page.click("input[type=submit]")
    expect(page.locator("#user-menu")).to_be_visible()
    return page
