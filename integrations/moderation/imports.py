"""Imports of files with sensitive words: reading a file, importing its words, undoing an import."""

import csv
import io
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_noop

from config.errors import BadRequest
from config.platform.characters import has_control, stripped
from integrations.http import storable
from integrations.models import SensitiveWord, SensitiveWordImport
from integrations.moderation.finder import form_of, is_alphabetic
from integrations.moderation.folding import letters_of
from integrations.moderation.words import add_words, list_changed

MAX_LENGTH = 64
MAX_FILE_NAME_LENGTH = 200
MAX_NAME_LENGTH = 80  # of the person who imports
CHUNK = 5000
_ENGLISH_HEADERS = ("word", "words", "keyword", "keywords", "text", "sensitive_word", "sensitive word")
_CHINESE_HEADERS = (
    "词",
    "词语",
    "词汇",
    "单词",
    "敏感词",
    "敏感词汇",
    "敏感词语",
    "关键词",
    "关键字",
    "违禁词",
    "屏蔽词",
    "内容",
)
HEADERS = frozenset((*_ENGLISH_HEADERS, *_CHINESE_HEADERS))


class NotAList(BadRequest):
    message = "文件不是文本或 CSV（UTF-8 或 GBK 编码，每行第一列一个词）"


@dataclass(frozen=True)
class WordFile:
    """The words of a file, each once, and the lines that were left out."""

    words: Sequence[str]
    single: Sequence[str]  # words of one character, which nearly every text contains
    short: Sequence[str]  # words of two Latin letters or digits
    refused: Sequence[str]  # "第 3 行：…" with the reason
    repeated: int  # lines whose word another line has too
    has_header: bool
    known: int  # the words that are on the list already

    @property
    def new(self) -> int:
        return len(self.words) - self.known

    @property
    def risky(self) -> list[str]:
        return [*self.single, *self.short]


def read_words(raw: bytes, *, with_short: bool = False) -> WordFile:
    """Read the first column of a text or CSV file without storing it. Raises NotAList (1403) for another file."""
    lines = [(number, word) for number, row in enumerate(_rows(raw), 1) if row and (word := stripped(row[0]))]
    has_header = bool(lines) and lines[0][1].casefold() in HEADERS
    lines = lines[has_header:]
    checked = [(number, word, word_problem(word)) for number, word in lines]
    refused = [f"第 {number} 行：{problem}" for number, _, problem in checked if problem]
    good = [word for _, word, problem in checked if not problem]
    words = list(dict.fromkeys(good))
    risky = {word: len(letters) for word in words if _is_short(letters := _searched_letters(word))}
    single = [word for word, length in risky.items() if length == 1]
    short = [word for word, length in risky.items() if length == 2]
    taken = words if with_short else [word for word in words if word not in risky]
    return WordFile(taken, single, short, refused, len(good) - len(words), has_header, _known_count(taken))


def _rows(raw: bytes) -> list[list[str]]:
    """Return the rows of a CSV file in UTF-8 or GBK, which spreadsheets in China use. Raises NotAList."""
    for encoding in ("utf-8-sig", "gb18030"):
        with suppress(UnicodeDecodeError, csv.Error):
            text = raw.decode(encoding)
            if "\x00" not in text:
                return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    raise NotAList


def word_problem(word: str) -> str:
    """Return why the word cannot be on the list, empty if it can. Marks alone cannot: every text has them; a picture can."""
    if len(word) > MAX_LENGTH:
        return f"超过 {MAX_LENGTH} 个字符"
    if has_control(word):
        return gettext_noop("含有控制字符")
    has_content = letters_of(word) or any(unicodedata.category(letter) == "So" for letter in word)
    return "" if has_content else gettext_noop("没有文字、数字或图形")


def is_very_short(word: str) -> bool:
    """Return whether the word is so short that ordinary texts contain it: one character, or two letters or digits."""
    return _is_short(_searched_letters(word))


def _searched_letters(word: str) -> str:
    """Return the folded form in which the word is searched, empty for a word that is searched as it is written."""
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
    """Add words to the list, each once, and store which of them this import added."""
    name = storable(stripped(file_name))[-MAX_FILE_NAME_LENGTH:]
    found = SensitiveWordImport.objects.create(file_name=name, imported_at=at, imported_by=by)
    add_words(words, word_import=found)
    transaction.on_commit(list_changed)
    found.word_count = found.words.count()
    found.save(update_fields=["word_count"])
    return found


@transaction.atomic
def undo_import(word_import: SensitiveWordImport, *, by: str, at: datetime) -> int:
    """Delete the words that an import added. Returns how many; 0 when the import has been undone before."""
    effective = SensitiveWordImport.objects.select_for_update().filter(pk=word_import.pk, undone_at=None)
    if not effective.update(undone_at=at, undone_by=by):
        return 0
    count, _ = SensitiveWord.objects.filter(word_import=word_import).delete()
    transaction.on_commit(list_changed)
    return count
