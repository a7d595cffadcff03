"""A pytest plugin that stores the logs of tests and their processes and fails the session when they contain a secret.

Under xdist every worker writes to the folder of the session, and the controller searches it after they have ended.
"""

import logging
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.log_search import Report, search
from tests.support.processes import LOGS, new_log, watch_servers
from tests.support.secrets_in_use import SETTINGS, note_call, note_cookies, note_setting, note_watched, noted

_IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
_reports: list[Report] = []


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Record the secrets in settings and in the calls of both HTTP clients."""
    import requests  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.test.client import Client, RequestFactory  # noqa: PLC0415
    from django.test.signals import setting_changed  # noqa: PLC0415

    for name in SETTINGS:
        note_setting(name, getattr(settings, name, None))
    setting_changed.connect(_note_changed_setting)
    _watch_django(RequestFactory, Client)
    _watch_requests(requests.Session)
    if not _IS_WORKER:
        watch_servers(Path(os.environ["RUN_DIR"]))


def pytest_sessionstart() -> None:
    """Write the logs of the test process to a file, in the format of the product."""
    from django.conf import settings  # noqa: PLC0415

    from config.platform.logging import MaskingFormatter  # noqa: PLC0415

    handler = logging.FileHandler(new_log("tests"))
    handler.setFormatter(MaskingFormatter(settings.LOGGING["formatters"]["line"]["format"]))
    logging.getLogger().addHandler(handler)


def _note_changed_setting(setting: str, value: Any, **_: Any) -> None:
    note_setting(setting, value)


def _watch_django(factory: Any, client: Any) -> None:
    make, ask = factory.generic, client.request

    def generic(self: Any, method: str, path: str, data: Any = "", *args: Any, **options: Any) -> Any:
        note_call(path, options.get("headers") or {}, data)
        return make(self, method, path, data, *args, **options)

    def request(self: Any, **environ: Any) -> Any:
        response = ask(self, **environ)
        note_cookies((name, cookie.value) for name, cookie in self.cookies.items())
        return response

    factory.generic, client.request = generic, request


def _watch_requests(session: Any) -> None:
    send = session.send

    def watched(self: Any, prepared: Any, **options: Any) -> Any:
        note_call(prepared.url, prepared.headers, prepared.body if isinstance(prepared.body, str | bytes) else None)
        response = send(self, prepared, **options)
        note_cookies(self.cookies.get_dict().items())
        return response

    session.send = watched


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, Any, Any]:
    done = yield
    if not _IS_WORKER and not session.config.option.collectonly:
        note_watched()
        report = search(LOGS, noted())
        _reports.append(report)
        if report.found:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return done


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for report in _reports:
        terminalreporter.write_line(str(report))
        for file, kind in report.found:
            terminalreporter.write_line(f"logs: {kind} in {file}", red=True)
