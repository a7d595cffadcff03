"""The generator of docs/api.md from the contract table (`python -m tests.contract.page`); a test compares both."""

import os

import django

from tests.contract.table import DOCUMENTED, Operation
from tests.support.paths import PROJECT

PAGE = PROJECT / "docs/api.md"
COMMAND = "python -m tests.contract.page"
_WHO = {
    "public": "anyone",
    "signed": "whoever signs it",
    "user": "a user",
    "user_with_proof": "a user with WeChat's proof",
    "own_proof": "a user for whom WeChat vouched in this browser",
    "proof": "whom WeChat vouches for, or a key with `auth:issue`",
    "service": "a key with `{scope}`, or an operator with the permission",
    "user_or_service": "a user, a key with `{scope}`, or an operator with the permission",
}
_HEAD = f"""# Every operation, who may call it, and what proves it

Written by `{COMMAND}` from the table in `tests/contract/operations/`; a test fails when it is stale. What an operation
takes and answers is at `/docs` (OpenAPI at `/schema`), which other tests hold to the same table.

From each row the tests of `tests/contract/` are generated. Their names end in the operation, so all of one's are

    pytest tests/contract -k "GET and /groups"

- `test_good_calls.py`: exactly the documented fields and types; ids and codes name the same thing
- `test_bad_calls.py`: each parameter missing, mistyped, empty, null, too long, not offered → 1403 naming it, and nothing
  changed; unknown and somebody else's → 1404 (keywords: 1403); no JSON, wrong media type, size and method
- `test_credentials.py`: no credential, a wrong one, another scope, somebody else's proof, a blocked user → refused
- `test_paging.py`: every list's pages; `test_schema.py`: `/schema` agrees; `test_fuzz.py`: schemathesis finds nothing

*Codes* are those of HTTP 200 answers beside 1200. *Rules* names the tests of what the operation does.
"""


def page(operations: list[Operation]) -> str:
    """Return the whole page."""
    documented = sorted((one for one in operations if one.number), key=lambda one: one.number or 0)
    further = sorted((one for one in operations if not one.number), key=str)
    return "\n".join(
        [
            _HEAD,
            f"## The {DOCUMENTED} documented operations\n",
            *_table(documented),
            "\n## Further operations, which clients and outside systems use\n",
            *_table(further),
            "",
        ]
    )


def _table(operations: list[Operation]) -> list[str]:
    return ["| | operation | who | codes | rules |", "|---|---|---|---|---|", *map(_line, operations)]


def _line(one: Operation) -> str:
    who = _WHO[one.kind].format(scope=one.scope)
    codes = " ".join(str(code) for code in sorted(one.all_codes - {1200}))
    rules = f"[{one.rules.removeprefix('tests/')}](../{one.rules})"
    return f"| {one.number or ''} | `{one.method} {one.path}` | {who} | {codes} | {rules} |"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from tests.contract.operations import OPERATIONS  # noqa: PLC0415 - the rows need Django

    PAGE.write_text(page(OPERATIONS))


if __name__ == "__main__":
    main()
