"""The API documentation is valid and complete."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.management import call_command
from django.test import Client

from config.api.docs import _document


def test_it_is_valid_openapi_3_1_without_a_warning(tmp_path: Any):
    call_command("spectacular", file=str(tmp_path / "schema.yaml"), validate=True, fail_on_warn=True)
    assert "openapi: 3.1.0" in (tmp_path / "schema.yaml").read_text()


def test_it_is_served_to_many_readers_at_once():
    """The generator of drf-spectacular loads classes lazily and fails in two threads."""
    _document.cache_clear()
    with ThreadPoolExecutor(8) as readers:
        answers = list(readers.map(lambda _: Client().get("/schema"), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert {answer.json()["openapi"] for answer in answers} == {"3.1.0"}


def test_the_page_needs_nothing_from_elsewhere():
    page = Client().get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text.replace("https://www.w3.org", "")
