"""The list of sensitive words in the admin and by command: files are previewed, imported, and imports undone."""

import os
import re
from io import StringIO

import pytest
from django.core import signing
from django.core.management import CommandError, call_command

from integrations.models import SensitiveWord, SensitiveWordImport
from integrations.moderation import words as moderation
from integrations.moderation.words import add_words
from tests.support.admin_pages import Operator
from tests.support.moderation import WORDS, is_refused, preview

pytestmark = pytest.mark.django_db
IMPORTS = "integrations/sensitivewordimport"


def kept() -> set[str]:
    return set(SensitiveWord.objects.values_list("word", flat=True))


def imported(path, *options: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("import_sensitive_words", str(path), *options, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue().strip()


def confirm(operator: Operator, page: str, **form: str) -> str:
    [secret] = re.findall(r'name="shown" value="([^"]+)"', page)
    return operator.clicks(WORDS, "take_in", confirmed="yes", shown=secret, **form)


def counted(page: str) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r"<tr><td>(\S+?)</td><td>(\d+)</td></tr>", page)}


def test_a_file_is_previewed_before_any_word_is_stored(support):
    add_words(["赌博"])
    lines = [
        "敏感词,备注",
        "赌博,旧的",
        "彩票",
        "彩票",
        "代开发票",
        "福",
        "1",
        "b",
        "QQ",
        "x" * 65,
        "b\x7f乙",
        "!!!",
    ]
    page = preview(support, "\n".join(lines))
    assert kept() == {"赌博"}
    assert counted(page) == {
        "新增": 2,
        "已经在列表中": 1,
        "重复的行": 1,
        "表头行，不导入": 1,
        "一个字的词": 3,
        "两个字母、数字的词": 1,
        "不能用的行": 3,
    }
    for line in (
        "第 10 行：超过 64 个字符",
        "第 11 行：含有控制字符",
        "第 12 行：没有文字、数字或图形",
        "福　1　b　QQ",
    ):
        assert line in page


def test_a_previewed_file_is_imported_when_it_is_confirmed(support):
    output = confirm(support, preview(support, "word\n赌博\n a \n彩票"))
    assert "已导入 2 条" in output
    assert kept() == {"赌博", "彩票"}
    assert is_refused("彩票")
    assert not is_refused("http://www.taobao.com/x")


def test_very_short_words_are_imported_when_that_is_ticked(support):
    confirm(support, preview(support, "赌\nSM\n赌博"), take_short="on")
    assert kept() == {"赌", "SM", "赌博"}


@pytest.mark.parametrize("header", ["word", "Words", "敏感词", "词", "关键词", " 敏感词 ", '"word"', "\ufeffword"])
def test_a_header_is_no_word(support, header):
    confirm(support, preview(support, f"{header},type\n赌博,1"))
    assert kept() == {"赌博"}


def test_a_word_further_down_is_no_header(support):
    confirm(support, preview(support, "赌博\n敏感词"))
    assert kept() == {"赌博", "敏感词"}


@pytest.mark.parametrize("word", ["b\x7f丙", "l\x03t", "赌\t博", "赌\x85博"])
def test_a_word_with_control_characters_is_refused(support, tmp_path, word):
    (tmp_path / "words.txt").write_text(f"{word}\n彩票")
    output, refused = imported(tmp_path / "words.txt")
    assert (output, refused) == ("1 new, 0 known already, 0 repeated, 1 refused.", "第 1 行：含有控制字符")
    assert "含有控制字符" in support.http.post(f"/admin/{WORDS}/add/", {"word": word}).text
    assert kept() == {"彩票"}


@pytest.mark.parametrize("word", ["赌博\u200b", "\ufeff赌博", "赌博\ufe0f", "\u202e赌博\u3000"])
def test_invisible_characters_at_the_ends_are_no_part_of_a_word(support, word):
    confirm(support, preview(support, f"{word}\n彩票"))
    support.http.post(f"/admin/{WORDS}/add/", {"word": word})
    assert kept() == {"赌博", "彩票"}


def test_words_that_were_not_previewed_are_not_imported(support):
    page = support.clicks(WORDS, "take_in", confirmed="yes", shown=signing.dumps({"words": ["赌博"]}, salt="other"))
    assert "页面已过期，请重新选择文件。" in page
    assert kept() == set()


def test_a_list_saved_by_a_spreadsheet_in_gbk_is_imported(support):
    confirm(support, preview(support, "词一\n词二", "gbk"))
    assert kept() == {"词一", "词二"}


@pytest.mark.parametrize("raw", [b"\x89PNG\xff\xff\xff", b"PK\x03\x04\x00\x00"])
def test_a_file_that_is_no_text_is_refused_with_an_explanation(support, raw):
    assert "文件不是文本或 CSV" in preview(support, raw.decode("latin-1"), "latin-1")


def test_a_file_that_is_too_large_is_refused_with_an_explanation(support):
    assert "文件超过 1 MB" in preview(support, "赌博\n" * 300_000)


def test_fifty_thousand_words_are_imported_at_once(support):
    words = [chr(0x4E00 + n // 250) + chr(0x5E00 + n % 250) for n in range(50_000)]
    assert "已导入 50000 条" in confirm(support, preview(support, "\n".join(words)))


def test_an_import_can_be_undone(support):
    add_words(["赌博"])
    confirm(support, preview(support, "赌博\n彩票\n裸聊", name="列表.csv"))
    row = SensitiveWordImport.objects.get()
    assert (row.file_name, row.imported_by, row.word_count) == ("列表.csv", support.user.username, 2)
    assert "共删除 2 个词" in support.act(IMPORTS, "undo", row)
    row.refresh_from_db()
    assert (kept(), row.undone_by) == ({"赌博"}, support.user.username)
    moderation.list_changed()  # at commit, which a test does not do
    assert not is_refused("彩票")


def test_an_import_is_undone_once(support):
    confirm(support, preview(support, "彩票"))
    row = SensitiveWordImport.objects.get()
    support.act(IMPORTS, "undo", row)
    confirm(support, preview(support, "彩票"))
    assert "已经撤销过" in support.act(IMPORTS, "undo", row)
    assert kept() == {"彩票"}


def test_the_words_of_an_import_can_be_listed(support):
    confirm(support, preview(support, "彩票"))
    add_words(["赌博"])
    page = support.page(f"{WORDS}/", word_import=SensitiveWordImport.objects.get().pk)
    assert ("彩票" in page, "赌博" in page) == (True, False)


def test_only_operators_with_permission_import_and_undo():
    add_words(["赌博"])
    row = SensitiveWordImport.objects.create(file_name="x", imported_at="2026-01-01T00:00Z", imported_by="root")
    viewer = Operator("viewer")
    assert viewer.http.get(f"/admin/{WORDS}/do/take_in/").status_code == 403
    viewer.act(IMPORTS, "undo", row)
    row.refresh_from_db()
    assert row.undone_at is None


def test_an_operator_tests_a_text_and_sees_each_word_with_its_place(support):
    add_words(["赌博", "VX", "b.com"])
    page = support.clicks(WORDS, "try_text", text="来 赌*博，加v x：<b>看B.com")
    assert "来 <mark>赌*博</mark>，加<mark>v x</mark>：&lt;b&gt;看<mark>B.com</mark>" in page
    for word, start, end in (("赌博", 3, 5), ("VX", 8, 10), ("b.com", 16, 20)):
        assert f"<tr><td>{word}</td><td>{start}</td><td>{end}</td></tr>" in page


def test_an_operator_tests_a_text_without_sensitive_words(support):
    add_words(["LY"])
    assert "没有找到敏感词。" in support.clicks(WORDS, "try_text", text="We are a family")
    assert "<mark>" not in support.clicks(WORDS, "try_text", text=" ")


def test_an_operator_edits_the_list(support):
    support.http.post(f"/admin/{WORDS}/add/", {"word": "赌博"})
    moderation.list_changed()  # at commit, which a test does not do
    assert is_refused("赌博")
    support.http.post(f"/admin/{WORDS}/{SensitiveWord.objects.get().pk}/delete/", {"post": "yes"})
    moderation.list_changed()
    assert not is_refused("赌博")


@pytest.mark.parametrize(("word", "count"), [("🔞", 1), ("!!!", 0), ("\u2063", 0), ("C++", 1), ("6.4", 1)])
def test_an_operator_adds_words_by_the_rules_of_a_file(support, word, count):
    support.http.post(f"/admin/{WORDS}/add/", {"word": word})
    assert len(kept()) == count


@pytest.mark.parametrize("word", ["a", "1", "福", "QQ", "s m", "64", "ｑ"])
def test_an_operator_adds_a_very_short_word_only_when_that_is_confirmed(support, word):
    assert "这个词很短" in support.http.post(f"/admin/{WORDS}/add/", {"word": word}).text
    assert kept() == set()
    support.http.post(f"/admin/{WORDS}/add/", {"word": word, "take_short": "on"})
    assert kept() == {word}


def test_a_file_is_imported_with_a_report(tmp_path):
    add_words(["赌博"])
    lines = ["赌博,旧的", "彩票,新的", "彩票", "", '" 代 开 "', "x" * 65, "!!!", "🔞"]
    (tmp_path / "words.csv").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    output, refused = imported(tmp_path / "words.csv")
    assert output == "3 new, 1 known already, 1 repeated, 2 refused."
    assert refused.splitlines() == ["第 6 行：超过 64 个字符", "第 7 行：没有文字、数字或图形"]
    assert kept() == {"赌博", "彩票", "代 开", "🔞"}
    assert is_refused("代开发票")


def test_a_dry_run_reports_the_same_and_stores_nothing(tmp_path):
    (tmp_path / "words.txt").write_text("赌博\n彩票")
    assert imported(tmp_path / "words.txt", "--dry-run")[0].startswith("2 would be new, 0 known")
    assert SensitiveWord.objects.count() == 0


def test_a_file_in_gbk_is_read_too(tmp_path):
    (tmp_path / "words.csv").write_bytes("赌博\n彩票".encode("gbk"))
    assert imported(tmp_path / "words.csv")[0].startswith("2 new")
    assert is_refused("彩票")


def test_a_file_whose_name_is_no_utf_8_is_read_too(tmp_path):
    name = os.fsdecode("词.csv".encode("gbk"))
    (tmp_path / name).write_text("彩票")
    assert imported(tmp_path / name)[0].startswith("1 new")


def test_a_too_long_name_of_the_importer_is_refused_with_an_explanation(tmp_path):
    (tmp_path / "words.csv").write_text("彩票")
    with pytest.raises(CommandError, match="at most 80"):
        imported(tmp_path / "words.csv", "--by", "x" * 81)


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"PK\x03\x04\x00\x00"])
def test_a_file_that_is_no_text_is_refused(tmp_path, raw):
    (tmp_path / "words.csv").write_bytes(raw)
    with pytest.raises(CommandError, match="不是文本"):
        imported(tmp_path / "words.csv")
    with pytest.raises(CommandError):
        imported(tmp_path / "nowhere.csv")


def test_the_command_leaves_very_short_words_out_and_reports_them(tmp_path):
    (tmp_path / "words.txt").write_text("敏感词\n福\n1\nSM\n赌博")
    output, _ = imported(tmp_path / "words.txt")
    assert output.splitlines() == [
        "The first line is a header and no word.",
        "2 words of one character and 1 of two Latin letters or digits left out (--short takes them): 福 1 SM",
        "1 new, 0 known already, 0 repeated, 0 refused.",
    ]
    assert kept() == {"赌博"}


def test_the_command_imports_very_short_words_by_option(tmp_path):
    (tmp_path / "words.txt").write_text("福\nSM\n赌博")
    assert "3 would be new" in imported(tmp_path / "words.txt", "--short", "--dry-run")[0]
    assert kept() == set()
    imported(tmp_path / "words.txt", "--short", "--by", "alice")
    assert kept() == {"福", "SM", "赌博"}
    assert SensitiveWordImport.objects.get().imported_by == "alice"
