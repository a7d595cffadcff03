"""The search for 50,000 sensitive words in messages of 50 to 500 Chinese characters, folding included.

It is compared with a bare search of the same texts by the same library, without folding, and with a loop of `in`.

The model uses the first 3,500 of the common characters of GB 2312. Texts draw them by Zipf's law (the commonest is one in
forty, the first hundred are nearly half), with a mark after every 4 to 14. Words are two to six of the same characters,
drawn far more evenly, because sensitive words do not consist of the commonest ones. About one text in seven contains a
word; the share is printed. The loop gets texts without a word, so it tries all words. Every text is a new object in each
turn. Texts with Latin letters, digits and pictures, which folding has to normalize, are measured separately: three in four
have one in the middle.
"""

import random
import time
from itertools import accumulate

from ahocorasick_rs import AhoCorasick

from integrations.moderation.finder import WordFinder
from tests.benchmarks.harness import Work, compare, report, run

LOOPED = 20
COUNT = 3500
_CHARACTERS = [bytes([0xB0 + number // 94, 0xA1 + number % 94]).decode("gb2312") for number in range(COUNT)]
_IN_TEXTS = list(accumulate(1 / (rank + 6) for rank in range(COUNT)))
_IN_WORDS = list(accumulate(1 / (rank + 2000) for rank in range(COUNT)))
_MARKS = "\uff0c\uff0c\uff0c\uff0c\u3002\u3002\u3002\uff01\uff1f\u3001\uff1a"
_OTHERS = ["5", "100", "2026", "OK", "vip", "WiFi", "😀", "❤️", "3.5", "http://e.com/a"]
_dice = random.Random(5)
_dice.shuffle(_CHARACTERS)  # GB 2312 orders them by pronunciation


def _words() -> list[str]:
    found: set[str] = set()
    while len(found) < 50_000:
        length = _dice.choice([2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 6])
        found.add("".join(_dice.choices(_CHARACTERS, cum_weights=_IN_WORDS, k=length)))
    words = sorted(found)
    _dice.shuffle(words)
    return words


def _text(length: int) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < length:
        parts += _dice.choices(_CHARACTERS, cum_weights=_IN_TEXTS, k=_dice.randint(4, 14))
        parts.append(_dice.choice(_MARKS))
    return "".join(parts)[:length]


def _seconds_and_mebibytes(words: list[str]) -> tuple[float, float]:
    """Return the processor seconds of the fastest of several finders, and the mean memory of one."""
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
    mixed = [
        f"{text[:25]}{_dice.choice(_OTHERS)}{text[25:]}" if number % 4 else text
        for number, text in enumerate(texts)
    ]
    finder, bare = WordFinder(words), AhoCorasick(words, store_patterns=False)
    clean = [text for text in texts if not finder.first(text)]
    report(f"{len(texts) - len(clean)} of {len(texts)} texts contain a word")
    given: list[str] = []

    def fresh(chosen: list[str]) -> Work:
        def prepare() -> None:
            given[:] = [f"{text}x"[:-1] for text in chosen]

        return prepare

    def ours() -> None:
        for text in given:
            finder.first(text)

    def search() -> None:
        for text in given:
            bare.find_matches_as_indexes(text, overlapping=True)

    def loop() -> None:
        for text in given[:LOOPED]:
            any(word in text for word in words)

    compare(
        "checking 2,000 texts (of a bare search)",
        ours=ours,
        floor=search,
        prepare=fresh(texts),
        rounds=15,
        at_least=0.6,
    )
    compare(
        "checking 2,000 texts, most with letters, digits or pictures (of a bare search)",
        ours=ours,
        floor=search,
        prepare=fresh(mixed),
        rounds=15,
        at_least=0.6,
    )
    times = len(clean) / LOOPED
    compare(
        f"checking {len(clean)} texts (of a loop of 'in' over {LOOPED}; {times:.0f} times as many texts)",
        ours=ours,
        floor=loop,
        prepare=fresh(clean),
        at_least=500 / times,
    )
    seconds, mebibytes = _seconds_and_mebibytes(words)
    report(f"building: {seconds:.3f} s (under 0.2), {mebibytes:.1f} MiB (under 20)")


if __name__ == "__main__":
    run(main)
