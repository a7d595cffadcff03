"""Sensitive words: 50,000 of them on messages of 50 to 500 Chinese characters, folding included.

Against a bare search of the same texts by the same library, which folds nothing, and against a loop of `in`.
Words and texts are made of the same 500 characters, the commonest far more often, as in a language; every
text is new to the interpreter in each turn.
"""

import random
import time
from itertools import accumulate

from ahocorasick_rs import AhoCorasick

from integrations.moderation import WordFinder
from tests.benchmarks.harness import compare, run, say

LOOPED = 20
_CHARACTERS = [chr(0x4E00 + 7 * number) for number in range(500)]
_WEIGHTS = list(accumulate(1 / (rank + 5) for rank in range(500)))
_MARKS = "\uff0c\uff0c\uff0c\uff0c\u3002\u3002\u3002\uff01\uff1f\u3001\uff1a"
_dice = random.Random(5)  # noqa: S311 - the same texts each time


def _words() -> list[str]:
    found: set[str] = set()
    while len(found) < 50_000:
        found.add("".join(_dice.choices(_CHARACTERS, cum_weights=_WEIGHTS, k=_dice.choice([3, 4, 4, 5, 6]))))
    return sorted(found)


def _text(length: int) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < length:
        parts += _dice.choices(_CHARACTERS, cum_weights=_WEIGHTS, k=_dice.randint(4, 14))
        parts.append(_dice.choice(_MARKS))
    return "".join(parts)[:length]


def _seconds_and_mebibytes(words: list[str]) -> tuple[float, float]:
    """Processor seconds and memory of one finder, by the best and the mean of several."""
    kept, seconds = [WordFinder(words)], []
    before = _resident()
    for _ in range(4):
        began = time.process_time()
        kept.append(WordFinder(words))
        seconds.append(time.process_time() - began)
    return min(seconds), (_resident() - before) / len(seconds)


def _resident() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


def main() -> None:
    words = _words()
    texts = [_text(_dice.randint(50, 500)) for _ in range(2000)]
    finder, bare = WordFinder(words), AhoCorasick(words, store_patterns=False)
    given: list[str] = []

    def prepare() -> None:
        given[:] = [f"{text}x"[:-1] for text in texts]

    def ours() -> None:
        for text in given:
            finder.finds(text)

    def search() -> None:
        for text in given:
            bare.find_matches_as_indexes(text, overlapping=True)

    def loop() -> None:
        for text in given[:LOOPED]:
            any(word in text for word in words)

    compare(
        "checking 2,000 texts (of a bare search)", ours=ours, floor=search, prepare=prepare, rounds=15, at_least=0.6
    )
    times = len(texts) / LOOPED
    compare(
        f"checking 2,000 texts (of a loop of 'in' over {LOOPED}; {times:.0f} times as many texts)",
        ours=ours,
        floor=loop,
        prepare=prepare,
        at_least=500 / times,
    )
    seconds, mebibytes = _seconds_and_mebibytes(words)
    say(f"building: {seconds:.3f} s (under 0.2), {mebibytes:.1f} MiB (under 20)")


if __name__ == "__main__":
    run(main)
