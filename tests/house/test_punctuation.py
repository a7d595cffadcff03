"""Chinese that people read has full-width punctuation."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import PROJECT
from tests.support.project import APPS, SOURCES

HAN = "\u4e00-\u9fff"
BETWEEN = re.compile(rf"(?<=[{HAN}」》）])[,;:!?()] ?(?=[{HAN}「《（“])")  # in English sentences with Chinese names
VALUE = "\ue000"  # stands for what is filled in
HALF_WIDTH = re.compile(rf"(?<=[{HAN}」》）])[,;:!?()]|(?<=[{HAN}]”)[,;:!?()]|[,;:!?()](?=[{HAN}「《（“])")
PLACEHOLDER = re.compile(r"%\(\w+\)s|%s")
BETWEEN_VALUES = re.compile(rf"(?<={VALUE})[,;:!?] ?(?={VALUE})")  # in Chinese sentences
# Texts of others, copied exactly: WeChat Pay's statements and the columns of an imported file.
COPIED = {"integrations/wechat/fund_flow.py", "integrations/sandbox/pay.py"}
PAGES = [
    path
    for app in APPS
    for path in (PROJECT / app).rglob("*")
    if path.suffix in (".html", ".po") or (path.suffix == ".js" and "static" in path.parts)
]
DOCUMENTS = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob(".github/**/*.md")]


def half_width(text: str, mark: re.Pattern[str] = HALF_WIDTH) -> list[str]:
    """Return each half-width mark beside a Chinese character, with its neighbors."""
    return [text[max(0, found.start() - 8) : found.end() + 8] for found in mark.finditer(text)]


def between_values(text: str) -> list[str]:
    """Return each half-width mark between two values that are filled into a Chinese sentence."""
    return half_width(PLACEHOLDER.sub(VALUE, text), BETWEEN_VALUES) if re.search(f"[{HAN}]", text) else []


def strings(source: str) -> Iterator[str]:
    """Return the texts of a module that are no docstrings."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else VALUE for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | inner:
            yield node.value


def found_in(path: Path) -> list[str]:
    text = path.read_text()
    if path.suffix == ".py":
        return [mark for string in strings(text) for mark in half_width(string) + between_values(string)]
    without_code = re.sub(r"```.*?```|`[^`\n]*`|<!--.*?-->", "", text, flags=re.DOTALL)
    is_english = path.suffix == ".md" and ".zh" not in path.suffixes
    return half_width(without_code, BETWEEN if is_english else HALF_WIDTH)


@pytest.mark.parametrize("text", ["红包,现金", "好:", "共 3 元(税前)", "群(group)", f"{VALUE},请稍后"])
def test_half_width_marks_beside_chinese_are_found(text: str):
    assert half_width(text)


@pytest.mark.parametrize("text", ["%(who)s:%(total)s 元", f"{VALUE}, {VALUE} 等"])
def test_half_width_marks_between_values_of_a_chinese_sentence_are_found(text: str):
    assert between_values(text)


@pytest.mark.parametrize("text", ["红包，现金", "a, b", "10:30 开始", "号码（a, b）", "https://x/?a=1"])
def test_other_marks_are_left_alone(text: str):
    assert half_width(text) == []


def test_chinese_has_full_width_punctuation():
    paths = {str(path.relative_to(PROJECT)): path for path in (*SOURCES, *PAGES, *DOCUMENTS)}
    found = {name: found_in(path) for name, path in paths.items() if name not in COPIED}
    assert {name: marks for name, marks in found.items() if marks} == {}
