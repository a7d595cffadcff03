"""Columns of the exported list of withdrawals."""

from config.backoffice.export import Columns

WITHDRAWAL_COLUMNS: Columns = {
    "提现编号": lambda withdrawal: withdrawal.pk,
    "手机号": lambda withdrawal: withdrawal.user.phone,
    "金额（元）": lambda withdrawal: withdrawal.amount,
    "申请时间": lambda withdrawal: withdrawal.asked_at,
    "打款时间": lambda withdrawal: withdrawal.paid_at,
    "状态": lambda withdrawal: withdrawal.get_status_display(),
    "原因": lambda withdrawal: withdrawal.reason,
}
