"""The contract: one row per operation, one file per app. The 62 documented ones carry their number."""

from tests.contract.operations import feedback, groups, keywords, launches, money, people, robots, site
from tests.contract.table import Operation

OPERATIONS: list[Operation] = [
    *site.ROWS,
    *people.ROWS,
    *robots.ROWS,
    *groups.ROWS,
    *keywords.ROWS,
    *feedback.ROWS,
    *launches.ROWS,
    *money.ROWS,
]
