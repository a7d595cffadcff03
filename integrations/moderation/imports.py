"""Importing a file of sensitive words: what it holds, taking it in, and undoing that."""

import csv
import io
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from config.errors import BadRequest
from config.platform.characters import has_control, stripped
from integrations.http import storable
from integrations.models import SensitiveWord, SensitiveWordImport
from integrations.moderation.finder import form_of, is_alphabetic
from integrations.moderation.folding import letters_of
from integrations.moderation.words import add_words, list_changed

LONGEST = 64
LONGEST_FILE_NAME = 200
LONGEST_NAME = 80  # of whoever imports
CHUNK = 5000
HEADERS = frozenset(
    (
        "word",
        "words",
        "keyword",
        "keywords",
        "text",
        "sensitive_word",
        "sensitive word",
        "词",
        "词语",
        "词汇",
        "单词",
    )
    + ("敏感词", "敏感词汇", "敏感词语", "关键词", "关键字", "违禁词", "屏蔽词", "内容")
)


class NotAList(BadRequest):
    message = "文件不是文本或 CSV（UTF-8 或 GBK 编码，每行第一列一个词）"


@dataclass(frozen=True)
class WordFile:
    """The words of a file, each once, and what is left out of it."""

    words: Sequence[str]
    single: Sequence[str]  # words of one character, which nearly every text holds
    short: Sequence[str]  # words of two Latin letters or digits
    refused: Sequence[str]  # "第 3 行：…", the reason
    repeated: int  # lines that another line of the file says too
    has_header: bool
    known: int  # of `words`, those that the list has

    @property
    def new(self) -> int:
        return len(self.words) - self.known

    @property
    def risky(self) -> list[str]:
        return [*self.single, *self.short]


def read_words(raw: bytes, *, with_short: bool = False) -> WordFile:
    """Read the first column of a text or CSV file. Raises NotAList (1403) when it is none. Nothing is kept."""
    lines = [(number, word) for number, row in enumerate(_rows(raw), 1) if row and (word := stripped(row[0]))]
    has_header = bool(lines) and lines[0][1].casefold() in HEADERS
    lines = lines[has_header:]
    checked = [(number, word, problem_of(word)) for number, word in lines]
    refused = [f"第 {number} 行：{problem}" for number, _, problem in checked if problem]
    good = [word for _, word, problem in checked if not problem]
    words = list(dict.fromkeys(good))
    risky = {word: len(letters) for word in words if _is_short(letters := _searched_letters(word))}
    single = [word for word, length in risky.items() if length == 1]
    short = [word for word, length in risky.items() if length == 2]
    taken = words if with_short else [word for word in words if word not in risky]
    return WordFile(taken, single, short, refused, len(good) - len(words), has_header, _known_count(taken))


def _rows(raw: bytes) -> list[list[str]]:
    """Spreadsheets in China save GBK."""
    for encoding in ("utf-8-sig", "gb18030"):
        with suppress(UnicodeDecodeError, csv.Error):
            text = raw.decode(encoding)
            if "\x00" not in text:
                return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    raise NotAList


def problem_of(word: str) -> str:
    """Return why this cannot be on the list, or nothing. Marks alone would be found in every text; a picture may be."""
    if len(word) > LONGEST:
        return f"超过 {LONGEST} 个字符"
    if has_control(word):
        return "含有控制字符"
    says_something = letters_of(word) or any(unicodedata.category(letter) == "So" for letter in word)
    return "" if says_something else "没有文字、数字或图形"


def is_risky(word: str) -> bool:
    """Return whether ordinary texts hold the word: one character, or two Latin letters or digits."""
    return _is_short(_searched_letters(word))


def _searched_letters(word: str) -> str:
    """Return the form in which the word is searched; nothing when that is the word as it is written."""
    letters, is_literal = form_of(word)
    return "" if is_literal else letters


def _is_short(letters: str) -> bool:
    return len(letters) == 1 or (len(letters) == 2 and is_alphabetic(letters))


def _known_count(words: Sequence[str]) -> int:
    return sum(
        SensitiveWord.objects.filter(word__in=words[start : start + CHUNK]).count()
        for start in range(0, len(words), CHUNK)
    )


@transaction.atomic
def import_words(words: Sequence[str], *, file_name: str, by: str, at: datetime) -> SensitiveWordImport:
    """Add words to the list, each once, and note which of them this import brought."""
    name = storable(stripped(file_name))[-LONGEST_FILE_NAME:]
    found = SensitiveWordImport.objects.create(file_name=name, imported_at=at, imported_by=by)
    add_words(words, word_import=found)
    transaction.on_commit(list_changed)
    found.word_count = found.words.count()
    found.save(update_fields=["word_count"])
    return found


@transaction.atomic
def undo_import(word_import: SensitiveWordImport, *, by: str, at: datetime) -> int:
    """Take the words that an import brought out of the list again. Returns how many; none when that was done before."""
    still = SensitiveWordImport.objects.select_for_update().filter(pk=word_import.pk, undone_at=None)
    if not still.update(undone_at=at, undone_by=by):
        return 0
    count, _ = SensitiveWord.objects.filter(word_import=word_import).delete()
    transaction.on_commit(list_changed)
    return count
