"""Names, docstrings and comments use the words of docs/glossary.md, and no public name stands twice."""

from pathlib import Path

import pytest

from tests.support.language import (
    Banned,
    banned_names,
    banned_sentences,
    docstrings_led_by_pronouns,
    docstrings_with_hanging_results,
    public_names_used_twice,
)
from tests.support.paths import PROJECT

pytestmark = pytest.mark.xdist_group("language")  # its tests share what they find
# Names that others define, and columns of queues.
ALLOWED = {
    "alt_switch": "the API",
    "is_master": "the API",
    "slip": "the API",
    "slip_type": "the API",
    "upGradeEndTime": "the API",
    "is_held": "a column",
    "settled_at": "a column",
    "settle_count": "the API",
}
# Where a word has its ordinary meaning: texts consist of words and letters, and days are settled.
ORDINARY = {
    "words": (
        "integrations/",
        "config/settings.py",
        "tests/benchmarks/bench_moderation.py",
        "tests/config/test_secret_key.py",
        "tests/house/test_language.py",
        "tests/integrations/",
        "tests/house/test_words.py",
        "tests/support/language.py",
        "tests/support/moderation.py",
    ),
    "letter": ("integrations/moderation/", "config/platform/characters.py"),
    "letters": (
        "accounts/wechat_oauth.py",
        "integrations/admin.py",
        "integrations/gateway/misspellings.py",
        "integrations/moderation/",
        "tests/benchmarks/bench_moderation.py",
        "tests/groups/test_nicknames.py",
        "tests/house/test_language.py",
        "tests/integrations/test_moderation.py",
        "tests/keywords/test_keywords.py",
    ),
    "settle": (
        "earnings/",
        "config/local/demo/",
        "config/management/commands/demo.py",
        "tests/benchmarks/bench_settlement.py",
        "tests/earnings/",
        "tests/support/settlement.py",
    ),
    "settled": (
        "earnings/",
        "accounts/models/people.py",
        "tests/benchmarks/bench_settlement.py",
        "tests/earnings/",
        "tests/house/test_language.py",
    ),
    "settles": ("earnings/",),
    "settling": ("earnings/", "tests/support/settlement.py"),
}


def is_meant(banned: Banned) -> bool:
    return banned.name in ALLOWED or banned.path.startswith(ORDINARY.get(banned.word, ("-",)))


@pytest.fixture(scope="module")
def names() -> list[Banned]:
    """Return the banned words in names of the project, which take seconds to find."""
    return list(banned_names(PROJECT))


@pytest.fixture(scope="module")
def sentences() -> list[Banned]:
    """Return the banned words in docstrings and comments of the project, which take seconds to find."""
    return list(banned_sentences(PROJECT))


def test_names_use_the_vocabulary(names: list[Banned]):
    assert [str(banned) for banned in names if not is_meant(banned)] == []


def test_docstrings_and_comments_use_the_vocabulary(sentences: list[Banned]):
    assert [str(banned) for banned in sentences if not is_meant(banned)] == []


def test_the_lists_of_exceptions_name_nothing_that_is_gone(names: list[Banned], sentences: list[Banned]):
    found = [*names, *sentences]
    places = {(word, place) for word, places in ORDINARY.items() for place in places}
    used = {(banned.word, place) for banned in found for word, place in places if banned.path.startswith(place)}
    assert ALLOWED.keys() - {banned.name for banned in found} == set()
    assert places - used == set()


def test_docstrings_begin_with_a_verb_or_a_noun_phrase():
    assert docstrings_led_by_pronouns(PROJECT) == []


def test_docstrings_name_results_in_a_sentence():
    assert docstrings_with_hanging_results(PROJECT) == []


def test_no_public_class_or_function_of_production_code_stands_twice():
    assert public_names_used_twice(PROJECT) == {}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "groups").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "source",
    [
        "class Verdict: pass",
        "class GroupLetter: pass",
        "def ring(): pass",
        "async def wake(): pass",
        "def send(lane): pass",
        "def send(*told): pass",
        "facts = {}",
        "def send():\n    for stranger in (): pass",
        "self.words = ()",
        "import groups as claimants",
        "IS_HELD = True",
        "def let_go(): pass",
        "dead_letters = ()",
        "def test_a_letter_is_sent(): pass",
    ],
)
def test_a_banned_name_is_found(tree: Path, source: str):
    (tree / "groups/members.py").write_text(source)
    [found, *_] = banned_names(tree)
    assert str(found).startswith("groups/members.py:")


def test_a_module_with_a_banned_name_is_found(tree: Path):
    (tree / "groups/letters.py").write_text("")
    assert list(map(str, banned_names(tree))) == ["groups/letters.py:1: letters: use private message"]


@pytest.mark.parametrize(
    "source",
    [
        '"""Sends letters."""',
        'class Group:\n    """A group, during one of its lives."""',
        'def send():\n    """Send what was told."""',
        'def send():\n    """Take a message.\n\n    It is in hand, or was let go.\n    """',
        "count = 1  # of parked messages",
        "# A dead letter.",
    ],
)
def test_a_banned_word_in_a_sentence_is_found(tree: Path, source: str):
    (tree / "groups/members.py").write_text(source)
    [found, *_] = banned_sentences(tree)
    assert str(found).startswith("groups/members.py:")


def test_quoted_code_paths_and_parts_of_longer_words_are_no_breach(tree: Path):
    (tree / "groups/members.py").write_text(
        "# `lane` of GET /profit/slip, slip_type: settlement in a lifetime\nsettlement = 1"
    )
    assert [*banned_names(tree), *banned_sentences(tree)] == []


@pytest.mark.parametrize(
    "first", ["What", "Who", "Whether", "How", "Where", "Those", "One", "It", "They", "That", "This"]
)
def test_a_docstring_led_by_a_pronoun_is_found(tree: Path, first: str):
    (tree / "groups/members.py").write_text(f'def send():\n    """{first} is sent."""')
    assert docstrings_led_by_pronouns(tree) == [f"groups/members.py:2: {first} is sent."]


@pytest.mark.parametrize("result", ["how many", "whether it was sent", "None without one", "the one that waits"])
def test_a_hanging_result_is_found(tree: Path, result: str):
    (tree / "groups/members.py").write_text(f'def send():\n    """Send all messages; {result}."""')
    assert len(docstrings_with_hanging_results(tree)) == 1


def test_a_public_name_that_stands_twice_is_found(tree: Path):
    (tree / "groups/members.py").write_text("def close(): pass\ndef _count(): pass\nclass Command: pass")
    (tree / "groups/messages.py").write_text("class close: pass\ndef _count(): pass\nclass Command: pass")
    assert public_names_used_twice(tree) == {"close": ["groups/members.py", "groups/messages.py"]}


def test_methods_and_tests_may_share_a_name(tree: Path):
    (tree / "groups/members.py").write_text("class Member:\n    def close(self): pass")
    (tree / "groups/messages.py").write_text("def close(): pass")
    (tree / "tests").mkdir()
    (tree / "tests/support.py").write_text("def close(): pass")
    assert public_names_used_twice(tree) == {}
