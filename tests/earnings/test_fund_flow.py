"""WeChat Pay's fund flow as a file: every format in use is read, any other is refused."""

import gzip
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from earnings import withdrawals
from earnings.models import Withdrawal
from earnings.tasks import send_payouts
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.payouts import fake_pay

pytestmark = pytest.mark.django_db
HEADER = "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,资金变更提交申请人,备注,业务凭证号"
SUMMARY = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
SPENT = ("商家转账", "转账", "支出")


def row(number: str, yuan: str, *kind: str, remark: str = "") -> str:
    cells = ["2026-11-26 10:00:00", "1", "2", *(kind or SPENT), yuan, "80.00", "system", remark, number]
    return ",".join(f"`{cell}" for cell in cells)


def file(*rows: str, total: str = "`1,`0,`0.00,`1,`20.00", header: str = HEADER) -> str:
    return "\r\n".join([header, *rows, SUMMARY, total]) + "\r\n"


@pytest.fixture
def number(sandbox) -> str:
    """The number of a payout of 20 yuan."""
    user = UserFactory(phone="13800000001")
    credit(user, "20")
    withdrawal: Withdrawal = requested_withdrawal(user, "20")
    withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
    send_payouts()
    return str(withdrawal.pk.hex)


@pytest.fixture
def reconcile(sandbox, monkeypatch) -> Callable[[bytes], str]:
    """Return a function that runs the command with this fund-flow file and returns its output and exit status."""
    pay = fake_pay(sandbox)

    def run(raw: bytes) -> str:
        monkeypatch.setattr(pay, "_fund_flow", lambda day: raw)
        output = StringIO()
        try:
            call_command("reconcile_payouts", f"--date={timezone.localdate()}", stdout=output, stderr=StringIO())
        except CommandError as error:
            return f"{output.getvalue()}{error} [{error.returncode}]"
        return output.getvalue()

    return run


FORMATS: dict[str, Callable[[str], bytes]] = {
    "as WeChat Pay writes it": str.encode,
    "a BOM": lambda text: text.encode("utf-8-sig"),
    "GBK": lambda text: text.encode("gbk"),
    "gzip": lambda text: gzip.compress(text.encode("utf-8-sig")),
    "gzip of GBK": lambda text: gzip.compress(text.encode("gbk")),
    "narrow brackets": lambda text: text.replace("（", "(").replace("）", ")").encode(),
    "back-ticks before headers": lambda text: text.replace(HEADER, "`" + HEADER.replace(",", ",`")).encode(),
    "no back-ticks": lambda text: text.replace("`", "").encode(),
    "blank lines": lambda text: text.replace("\r\n", "\r\n\r\n").encode(),
    "line feeds": lambda text: text.replace("\r\n", "\n").encode(),
    "a trailing blank": lambda text: text.replace("\r\n", " \r\n").encode(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_in_use_is_read(number, reconcile, name: str):
    raw = FORMATS[name](file(row(number, "20.00")))
    assert "1 payouts, 1 lines of WeChat Pay's bill, no difference." in reconcile(raw)
    other = FORMATS[name](file(row("f" * 32, "20.00")))
    assert f"{'f' * 32}: 微信支付有这笔转账（2000 分），我们没有" in reconcile(other)


@pytest.mark.parametrize("remark", ["a,b", '"', '""a,"', "，", "a\u2028b", "a\x0bb", "a,b,c,d,e", "'", ",,"])
def test_a_remark_shifts_no_column(number, reconcile, remark: str):
    raw = file(row(number, "20.00", remark=remark)).encode()
    assert "1 payouts, 1 lines of WeChat Pay's bill, no difference." in reconcile(raw)


@pytest.mark.parametrize(
    ("written", "fen"), [("1,020.00", 102000), ("1020", 102000), ("12,345,678.9", 1234567890), ("0.290", 29)]
)
def test_amounts_are_read_to_the_fen(reconcile, written: str, fen: int):
    raw = file(row("f" * 32, written), total=f"`1,`0,`0,`1,`{written}").encode()
    assert f"微信支付有这笔转账（{fen} 分），我们没有" in reconcile(raw)


WHOLE = file(row("f" * 32, "20.00"))
UNREADABLE = {
    "nothing": b"",
    "blank": b"\r\n \r\n",
    "no file at all": b'{"code": "SYSTEM_ERROR"}',
    "a page": "<html><body>服务繁忙</body></html>".encode(),
    "only the header": HEADER.encode(),
    "no header": WHOLE.replace(HEADER + "\r\n", "").encode(),
    "no summary": WHOLE[: WHOLE.index(SUMMARY)].encode(),
    "a summary without its line": WHOLE[: WHOLE.index("`1,`0,")].encode(),
    "something behind the summary": (WHOLE + row("e" * 32, "1.00")).encode(),
    "no column of numbers": WHOLE.replace("业务凭证号", "凭证").encode(),
    "two columns of amounts": WHOLE.replace("账户结余（元）", "收支金额（元）").encode(),
    "a column too few": WHOLE.replace(",`system", "").encode(),
    "a column too many": WHOLE.replace(",`system", ",`system,`x").encode(),
    "a remark with a line end": file(row("f" * 32, "20.00", remark="a\nb")).encode(),
    "no back-ticks and a comma": file(row("f" * 32, "20.00", remark="a,b")).replace("`", "").encode(),
    "an amount in words": WHOLE.replace("20.00", "二十").encode(),
    "no amount": file(row("f" * 32, "")).encode(),
    "parts of a fen": WHOLE.replace("20.00", "20.001").encode(),
    "an exponent": WHOLE.replace("20.00", "2e1").encode(),
    "another count": file(row("f" * 32, "20.00"), total="`2,`0,`0.00,`2,`20.00").encode(),
    "another sum": file(row("f" * 32, "20.00"), total="`1,`0,`0.00,`1,`21.00").encode(),
    "a line lost": file(total="`1,`0,`0.00,`1,`20.00").encode(),
    "half of a gzip file": gzip.compress(WHOLE.encode())[:-20],
    "a damaged gzip file": gzip.compress(WHOLE.encode())[:10] + b"x" * 40,
    "UTF-16": WHOLE.encode("utf-16"),
    "neither encoding": WHOLE.encode() + b"\xff\xff",
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_an_unreadable_file_is_not_taken_for_an_empty_bill(reconcile, what: str):
    output = reconcile(UNREADABLE[what])
    assert "cannot be read: " in output
    assert output.endswith("[2]")


@pytest.mark.parametrize(
    "kind", [("新业务", "新类型", "支出"), ("商家转账", "转账", "冻结"), ("商家转账", "转账", "")], ids=str
)
def test_a_line_of_an_unknown_kind_is_listed(reconcile, kind: tuple[str, ...]):
    spent = kind[2] == "支出"
    total = "`1,`0,`0,`1,`20.00" if spent else "`1,`0,`0,`0,`0"
    output = reconcile(file(row("v1", "20.00", *kind), total=total).encode())
    assert f"v1: 微信支付账单里有一行不认识的业务：{' '.join(kind).strip()}（2000 分）" in output
    assert output.endswith("[1]")


def test_a_new_business_type_with_our_number_is_our_transfer(number, reconcile):
    raw = file(row(number, "20.00", "商家付款", "零钱", "支出")).encode()
    assert "1 payouts, 1 lines of WeChat Pay's bill, no difference." in reconcile(raw)


def test_lines_that_are_no_transfers_are_skipped(number, reconcile):
    lines = [
        row(number, "20.00"),
        row(number, "0.02", "商家转账手续费", "扣除手续费", "支出"),
        row("x1", "99.00", "交易", "交易", "收入"),
        row("x2", "1.00", "退款", "退款", "支出"),
        row("x3", "1,000.00", "充值", "充值", "收入"),
    ]
    raw = file(*lines, total="`5,`2,`1,099.00,`3,`21.02").encode()
    assert "1 payouts, 1 lines of WeChat Pay's bill, no difference." in reconcile(raw)
