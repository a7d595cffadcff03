"""The vocabulary of the project, and the search of sources for words, names and docstrings that break it.

docs/glossary.md defines the words to use. The functions take the root of a tree, so that a test can plant a breach.
"""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Words that are banned from names and sentences, each behind the term to use instead.
_BANNED = {
    "report, answer, payload, state, show, inform": "told tell tells telling said say says saying heard hear hears hearing",
    "text, params, body, reply": "words",
    "private message": "letter letters",
    "ordering_key": "lane lanes",
    "lease, claim": "hand hands",
    "notify, channel": "bell bells ring rings ringing deaf ears",
    "worker thread, conversation": "talk talks talker talkers",
    "finish (settle is for the income of a day)": "settle settles settled settling",
    "FAILED, close": "parked bury buries buried",
    "warning, command": "sermon errand errands",
    "binding": "life lives",
    "status, result": "verdict verdicts",
    "task, chart": "todo todos plot plots",
    "handler": "stranger strangers claimant claimants",
    "income type": "slip slips",
    "remind, notify": "awaken awakens awakening awakenings wake wakes waking woken",
    "inviter": "master masters",
    "assign": "distribute distributes distributed distribution undistributable",
    "mention": "alt",
    "launch, mass message, send": "campaign campaigns broadcast broadcasts firing",
    "star": "grade grades",
}
# Words and phrases that are plain English in a sentence and a coined term in a name.
_BANNED_IN_NAMES = {
    "pause, lock": "hold holds held",
    "FAILED": "dead",
    "platform account": "house",
    "click, button": "press presses",
    "read-only, fields": "facts",
    "source, idempotency_key": "cause causes",
    "close, FAILED": "give_up gave_up given_up",
    "dashboard task": "to_do",
    "release, resume, unbind": "let_go lets_go",
    "claimed, leased": "in_hand",
}
_BANNED_IN_SENTENCES = {
    "release, resume, unbind": ("let go", "lets go"),
    "failed message": ("dead letter", "dead letters"),
    "pause": ("on hold", "hold back", "holds back", "held back"),
    "quiet hours": ("the night",),
}


def _terms(*tables: Mapping[str, str | tuple[str, ...]]) -> dict[str, str]:
    """Return the term to use for each banned word."""
    return {
        word: term
        for table in tables
        for term, words in table.items()
        for word in (words.split() if isinstance(words, str) else words)
    }


NAMES = _terms(_BANNED, _BANNED_IN_NAMES)
SENTENCES = _terms(_BANNED, _BANNED_IN_SENTENCES)

_PRONOUNS = "What Who Whom Whose Whether How Where Why When Which Those These This That One It Its They Their Them He She Such"
_STARTS_WITH_PRONOUN = re.compile(rf"({'|'.join(_PRONOUNS.split())})\b")
_QUOTED = re.compile(r"`[^`]*`|\S*[/_.(]\w\S*")
_SENTENCE_WORD = re.compile(rf"\b({'|'.join(map(re.escape, SENTENCES))})\b")
_HANGING_RESULT = re.compile(
    r"; (how (many|much|long|often)|what|who|whether|which|whose|None|True|False|those|the one)\b"
)
_DEFINITION = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_DICTATED = {"Command"}  # Django finds the class of a management command by this name


@cache
def sources(root: Path) -> list[tuple[str, ast.Module, str]]:
    """Return path, tree and text of each source file. Migrations keep the words of their time and are left out."""
    paths = [*root.glob("*.py"), *(path for folder in root.glob("[a-z]*/") for path in folder.rglob("*.py"))]
    names = sorted(path.relative_to(root).as_posix() for path in paths if path.parent.name != "migrations")
    return [(name, ast.parse(text), text) for name in names for text in [(root / name).read_text()]]


def names_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of each class, function, parameter, variable and attribute that the file defines."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def docstrings_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | _DEFINITION):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def comments_in(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("#! ")


@cache
def sentences(root: Path) -> list[tuple[str, int, str]]:
    """Return path, line and text of each docstring and comment."""
    return [
        (path, line, sentence)
        for path, tree, text in sources(root)
        for line, sentence in [*docstrings_in(tree), *comments_in(text)]
    ]


@dataclass(frozen=True)
class Banned:
    """A banned word in a name or in a sentence of a docstring or comment."""

    word: str
    name: str  # empty in a sentence
    path: str
    line: int

    def __str__(self) -> str:
        terms = NAMES if self.name else SENTENCES
        return f"{self.path}:{self.line}: {self.name or self.word}: use {terms[self.word]}"


def _words_of(name: str) -> str:
    """Return the words of a name with underscores around and between them: `GroupDay` is _group_day_."""
    return f"_{re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name).lower()}_"


def banned_names(root: Path) -> list[Banned]:
    """Return the banned words in names. The name of a test is a sentence and is searched as one."""
    return [
        Banned(word, name, path, line)
        for path, tree, _ in sources(root)
        for line, name in [(1, path.removesuffix(".py").rpartition("/")[2]), *names_in(tree)]
        for word in (SENTENCES if name.startswith("test_") else NAMES)
        if f"_{word}_".replace(" ", "_") in _words_of(name)
    ]


def banned_sentences(root: Path) -> list[Banned]:
    """Return the banned words in docstrings and comments. Quoted code, names and paths are left out."""
    return [
        Banned(word, "", path, line)
        for path, line, sentence in sentences(root)
        for word in _SENTENCE_WORD.findall(_QUOTED.sub("", sentence).lower())
    ]


def docstrings_led_by_pronouns(root: Path) -> list[str]:
    """Return the docstrings whose first word is a pronoun instead of a verb or a noun phrase."""
    return [
        f"{path}:{line}: {text.splitlines()[0]}"
        for path, tree, _ in sources(root)
        for line, text in docstrings_in(tree)
        if _STARTS_WITH_PRONOUN.match(text)
    ]


def docstrings_with_hanging_results(root: Path) -> list[str]:
    """Return the docstrings that name a returned value behind a semicolon instead of in a sentence with Returns."""
    return [
        f"{path}:{line}: {found[0]}"
        for path, tree, _ in sources(root)
        for line, text in docstrings_in(tree)
        for found in [_HANGING_RESULT.search(" ".join(text.split()))]
        if found
    ]


def public_names_used_twice(root: Path) -> dict[str, list[str]]:
    """Return the public classes and functions of production code that share their name, with their files."""
    places = defaultdict(list)
    for path, tree, _ in sources(root):
        for node in tree.body if not path.startswith("tests/") else ():
            if isinstance(node, _DEFINITION) and not node.name.startswith("_") and node.name not in _DICTATED:
                places[node.name].append(path)
    return {name: paths for name, paths in places.items() if len(paths) > 1}
