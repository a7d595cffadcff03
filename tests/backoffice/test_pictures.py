"""Avatars and QR codes are pictures on the pages of the admin, and only there."""

import pytest
from django.test import Client

from tests.factories.people import RobotFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_a_robot_shows_its_avatar_and_qr_code(root):
    robot = RobotFactory(avatar_url="https://example.com/a.png", qr_code_url="https://example.com/q.png")
    answer = root.http.get(f"/admin/robots/robot/{robot.pk}/change/")
    for address in (robot.avatar_url, robot.qr_code_url):
        assert f'<a href="{address}" target="_blank" rel="noopener noreferrer"><img src="{address}"' in answer.text
    assert answer.text.count('loading="lazy" referrerpolicy="no-referrer"') == 2
    assert "img-src 'self' data: https:;" in f"{answer.headers['Content-Security-Policy']};"


def test_a_user_shows_the_avatar(root):
    user = UserFactory(avatar_url="https://example.com/a.png")
    assert '<img src="https://example.com/a.png"' in root.page(f"accounts/user/{user.pk}/change/")


@pytest.mark.parametrize("address", ["javascript:alert(1)", 'https://a" onerror="alert(1)', "data:text/html,x"])
def test_other_addresses_are_no_links(root, address):
    user = UserFactory(avatar_url=address)
    page = root.page(f"accounts/user/{user.pk}/change/")
    assert "<img" not in page
    assert f'href="{address}"' not in page


def test_pages_outside_the_admin_show_no_pictures_of_others():
    policy = Client().get("/docs/").headers.get("Content-Security-Policy", "")
    assert "img-src" in policy
    assert "https:" not in policy.split("img-src")[1].split(";")[0]
