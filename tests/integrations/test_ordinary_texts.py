"""Ordinary texts pass, and hidden sensitive words are found, without an exception in either sample."""

import json
from pathlib import Path

import pytest

from integrations.moderation.finder import WordFinder

HERE = Path(__file__).parent / "words"  # every line is the inside of a JSON string
LIST = (HERE / "list.txt").read_text().splitlines()
ORDINARY = [json.loads(f'"{line}"') for line in (HERE / "ordinary.txt").read_text().splitlines()]
HIDDEN = [line.split("\t") for line in (HERE / "evasions.txt").read_text().splitlines()]


@pytest.fixture(scope="module")
def finder() -> WordFinder:
    return WordFinder(LIST)


def test_the_samples_are_three_hundred_different_texts_each():
    assert len(set(ORDINARY)) >= 300
    assert len({text for _, text in HIDDEN}) >= 300


def test_every_ordinary_text_passes(finder):
    assert {text: finder.first(text) for text in ORDINARY if finder.first(text)} == {}


def test_every_hidden_word_is_found_by_its_name(finder):
    texts = [(word, json.loads(f'"{text}"')) for word, text in HIDDEN]
    found = [(word, text, {match.word.casefold() for match in finder.all(text)}) for word, text in texts]
    assert [(word, text) for word, text, words in found if word.casefold() not in words] == []
