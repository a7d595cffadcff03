"""`make run RELOAD=1`: an edited file is what runs, within seconds, and a broken edit is mended by the next one."""

import shutil
from collections.abc import Iterator

import pytest
import requests

from tests.support.paths import PROJECT
from tests.support.product import Product, pids_of, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("products")]
VIEW = """
from django.http import HttpResponse
urlpatterns.append(path("edited", lambda request: HttpResponse("{}")))
"""
OTHERS = ("celery --quiet -A config worker", "celery --quiet -A config beat", "manage.py send", "manage.py sandbox")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Start a product that runs a copy of the sources."""
    folder = tmp_path_factory.mktemp("reload")
    product = Product(folder / "run", "--no-demo", "--reload", WEB_WORKERS="2").with_database()
    product.project = folder / "project"
    shutil.copytree(PROJECT, product.project, ignore=shutil.ignore_patterns(".*", "tests"))
    (product.project / "tests").mkdir()
    yield product.start().wait_until_ready()
    product.stop()


@pytest.fixture(scope="module")
def pids_before(product: Product) -> dict[str, set[int]]:
    """Edit a test, and the URLs for the first time. Returns the processes that ran before."""
    pids = {command: set(pids_of(product, command)) for command in OTHERS}
    product.forget_output()
    (product.project / "tests/test_new.py").write_text("")
    edit(product, VIEW.format("first"))
    return pids


def edit(product: Product, text: str) -> None:
    (product.project / "config/urls.py").write_text((PROJECT / "config/urls.py").read_text() + text)


def answers(product: Product, text: str) -> bool:
    try:
        return requests.get(f"{product.url}/edited", timeout=5).text == text
    except requests.RequestException:  # the workers that could not import it are ending
        return False


@pytest.mark.usefixtures("pids_before")
def test_an_edited_view_answers_and_no_request_is_refused_meanwhile(product: Product):
    wait_for(lambda: requests.get(f"{product.url}/edited", timeout=30).text == "first", 60, lambda: product.output)


def test_the_other_processes_start_again_too(product: Product, pids_before: dict[str, set[int]]):
    for command, pids in pids_before.items():
        wait_for(
            lambda command=command, pids=pids: set(pids_of(product, command)) - pids, 60, lambda: product.output
        )
    assert "ended" not in product.output


@pytest.mark.usefixtures("pids_before")
def test_a_test_that_is_edited_restarts_nothing(product: Product):
    assert "config/urls.py changed;" in product.output  # and nothing else
    assert product.output.count("changed;") == 1


def test_an_edit_that_breaks_the_sources_is_mended_by_the_next_one(product: Product):
    edit(product, "this is no Python")
    # The web reads its URLs at the first request.
    wait_for(lambda: not answers(product, "") and "SyntaxError" in product.output, 60, lambda: product.output)
    edit(product, VIEW.format("mended"))
    wait_for(lambda: answers(product, "mended"), 60, lambda: product.output)
