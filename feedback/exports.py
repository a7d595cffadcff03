"""Columns of the exported file of problems, which are those of the old client's table."""

from config.backoffice.export import Columns

PROBLEM_COLUMNS: Columns = {
    "用户手机号": lambda problem: problem.user.phone,
    "用户昵称": lambda problem: problem.user.nickname,
    "类型": lambda problem: problem.category.title,
    "机器人编号": lambda problem: problem.robot and problem.robot.code,
    "机器人昵称及微信号": lambda problem: problem.robot and problem.robot.name_and_wechat_no,
    "群名": lambda problem: problem.group_name,
    "备注": lambda problem: problem.description,
    "提交时间": lambda problem: problem.reported_at,
}
