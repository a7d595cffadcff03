"""WeChat Pay's fund-flow file: one line for each movement of an account on a day, and a summary of the lines.

The reconciliation must not take an unreadable file for an empty one. A file that does not parse as a whole, or whose lines
do not add up to its summary, raises Unreadable.
"""

import re
import unicodedata
import zlib
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from integrations.http import OutsideError

SYSTEM = "pay"
LARGEST = 200_000_000  # bytes of a file, unpacked
_GZIP = b"\x1f\x8b"
_NAME, _TYPE, _DIRECTION, _AMOUNT, _NUMBER = "业务名称", "业务类型", "收支类型", "收支金额", "业务凭证号"
_NEEDED = (_NAME, _TYPE, _DIRECTION, _AMOUNT, _NUMBER)
_COUNT, _IN_COUNT, _IN_SUM, _OUT_COUNT, _OUT_SUM = (
    "资金流水总笔数",
    "收入笔数",
    "收入金额",
    "支出笔数",
    "支出金额",
)
_SUMMED = (_COUNT, _IN_COUNT, _IN_SUM, _OUT_COUNT, _OUT_SUM)
_SPENT, _RECEIVED = "支出", "收入"
_TRANSFER = "转账"
# Movements that are no transfers: payments of customers, refunds, transfers to a bank, shared profits.
_OTHER = ("交易", "退款", "充值", "提现", "分账", "补差")
_FEE = "手续费"  # transfers have fees too
_OURS = re.compile(r"[0-9a-f]{32}")  # the format of our bill numbers
_YUAN = re.compile(r"-?(?:\d{1,3}(?:,\d{3}){1,6}|\d{1,18})(?:\.\d{1,18})?", re.ASCII)
_INTEGER = re.compile(r"\d{1,3}(?:,\d{3}){1,6}|\d{1,18}", re.ASCII)


class Unreadable(OutsideError):
    """The file is incomplete or has an unknown format. `why` names the place and the problem."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(SYSTEM, f"cannot be read: {why}")


@dataclass(frozen=True)
class Flow:
    """A line of the file: the transfer's `out_bill_no`, and the amount that left the account (negative: it came back).

    `unknown` names the kind of a line that may or may not be a transfer.
    """

    out_bill_no: str
    outflow_fen: int
    unknown: str = ""


class _Line(NamedTuple):
    number: int
    cells: list[str]


def read_fund_flow(raw: bytes) -> list[Flow]:
    """Return the transfers in a file, and the lines of an unknown kind. Raises Unreadable.

    Accepted formats: back-ticks before values, before headers or nowhere, brackets of either width, UTF-8 with or
    without a BOM or GBK, gzip or not, thousands separators, blank lines.
    """
    lines = [_Line(number, _cells(line)) for number, line in _lines(_text(unpacked(raw)))]
    end = next((index for index, line in enumerate(lines) if _title(line.cells[0]) == _COUNT), None)
    if not lines or end is None or len(lines) != end + 2:
        raise Unreadable("the file does not end with its summary")
    columns = _columns(lines[0], _NEEDED)
    rows = [_row(columns, line) for line in lines[1:end]]
    _check_sums(rows, _row(_columns(lines[end], _SUMMED), lines[end + 1]), lines[end + 1].number)
    return [flow for row in rows if (flow := _flow(row))]


def unpacked(raw: bytes) -> bytes:
    """Return the file without gzip compression."""
    if not raw.startswith(_GZIP):
        return raw
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(raw, LARGEST)
    except zlib.error as error:
        raise Unreadable("not a whole gzip file") from error
    if not unpacker.eof or unpacker.unused_data:
        raise Unreadable("not a whole gzip file")
    return plain


def _text(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        with suppress(UnicodeDecodeError):
            return raw.decode(encoding)
    raise Unreadable("neither UTF-8 nor GBK")


def _lines(text: str) -> list[tuple[int, str]]:
    """Return the lines that are not blank, with their numbers. `splitlines` would also split at marks within remarks."""
    lines = enumerate(re.split(r"\r\n|\n|\r", text), 1)
    return [(number, line) for number, line in lines if line.strip()]


def _cells(line: str) -> list[str]:
    """Split a line into its values: before back-ticks where it has them, since a remark may hold commas. Nothing is quoted."""
    line = line.strip()
    cells = line.split(",`") if line.startswith("`") else line.split(",")
    return [cell.strip().removeprefix("`").strip() for cell in cells]


def _title(cell: str) -> str:
    """Return the name of a column without its unit."""
    return unicodedata.normalize("NFKC", cell).strip("` ").removesuffix("(元)").strip()


def _columns(line: _Line, needed: tuple[str, ...]) -> list[str]:
    names = [_title(cell) for cell in line.cells]
    missing = [name for name in needed if names.count(name) != 1]
    if missing:
        raise Unreadable(f"line {line.number}: columns {'、'.join(missing)}")
    return names


def _row(columns: list[str], line: _Line) -> dict[str, str]:
    if len(line.cells) != len(columns):
        raise Unreadable(f"line {line.number}: {len(line.cells)} values for {len(columns)} columns")
    row = dict(zip(columns, line.cells, strict=True))
    if _AMOUNT in row:
        row[_AMOUNT] = str(_fen(row[_AMOUNT], line.number))
    return row


def _fen(yuan: str, line_number: int) -> int:
    """Return an amount of yuan, such as 1,020.00, in fen."""
    fen = Decimal(yuan.replace(",", "")) * 100 if _YUAN.fullmatch(yuan) else Decimal("0.5")
    if fen != int(fen):
        raise Unreadable(f"line {line_number}: the amount {yuan[:40]!r}")
    return int(fen)


def _check_sums(rows: list[dict[str, str]], summary: dict[str, str], line_number: int) -> None:
    """Compare the summary with the lines. Raises Unreadable: a file that was cut off or split wrongly does not add up."""
    for name, direction in ((_IN_COUNT, _RECEIVED), (_OUT_COUNT, _SPENT), (_COUNT, "")):
        expected = summary[name]
        count = sum(direction in ("", row[_DIRECTION]) for row in rows)
        if not _INTEGER.fullmatch(expected) or int(expected.replace(",", "")) != count:
            raise Unreadable(f"line {line_number}: {name} {expected[:40]}, read {count}")
    for name, direction in ((_IN_SUM, _RECEIVED), (_OUT_SUM, _SPENT)):
        total = sum(int(row[_AMOUNT]) for row in rows if row[_DIRECTION] == direction)
        if _fen(summary[name], line_number) != total:
            raise Unreadable(f"line {line_number}: {name} {summary[name][:40]}, read {Decimal(total) / 100:.2f}")


def _flow(row: dict[str, str]) -> Flow | None:
    """Return the transfer, or the line of an unknown kind. Returns None for any other known movement."""
    kind, direction, fen = f"{row[_NAME]} {row[_TYPE]}".strip(), row[_DIRECTION], int(row[_AMOUNT])
    number = row[_NUMBER]
    if direction not in (_SPENT, _RECEIVED) or fen < 0:
        return Flow(number, fen, unknown=f"{kind} {direction}".strip() or "-")
    if _FEE in kind:
        return None
    is_other = any(name in kind for name in _OTHER)
    if number and (_TRANSFER in kind or (_OURS.fullmatch(number) and not is_other)):
        return Flow(number, fen if direction == _SPENT else -fen)
    return None if is_other else Flow(number, fen, unknown=f"{kind} {direction}".strip())
