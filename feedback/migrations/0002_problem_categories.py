"""The categories of problems that a new installation starts with; operators edit them."""

from django.db import migrations

CATEGORIES = [
    ("机器人没有反应", 2),
    ("机器人不在群里", 3),
    ("群没有收益", 3),
    ("群星级不对", 3),
    ("提现超过三个工作日没有到账", 4),
    ("收不到短信验证码", 4),
    ("徒弟没有显示", 4),
    ("其他问题", 5),
]


def add(apps, schema_editor):
    ProblemCategory = apps.get_model("feedback", "ProblemCategory")
    for number, (title, kind) in enumerate(CATEGORIES, start=1):
        ProblemCategory.objects.create(title=title, type=kind, seq_no=number * 10)


class Migration(migrations.Migration):
    dependencies = [("feedback", "0001_initial")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
