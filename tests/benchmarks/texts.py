"""What is sent: the demo's texts, made to as many different ones as are needed. Seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence

from worker.demo.messages import texts as demo_texts

SEED = 11


def distinct(count: int) -> list[str]:
    """So many different texts: the demo's own first, then the same with one word of another text in the place of one of
    theirs, so that lengths and words are those of real texts and no prediction can be remembered."""
    chance = random.Random(SEED)
    own = list(dict.fromkeys(demo_texts()))
    chance.shuffle(own)
    words = [word for text in own for word in text.split()]
    found = dict.fromkeys(own[:count])
    while len(found) < count:
        parts = own[len(found) % len(own)].split()
        parts[chance.randrange(len(parts))] = chance.choice(words)
        found.setdefault(" ".join(parts))
    return list(found)


def repeating(texts: Sequence[str], share: float) -> list[str]:
    """As many texts, of which `share` repeat one that came before; the others keep their order."""
    chance = random.Random(SEED)
    repeats = set(chance.sample(range(1, len(texts)), int(share * len(texts))))
    fresh = iter(texts)
    sent: list[str] = []
    for place in range(len(texts)):
        sent.append(chance.choice(sent) if place in repeats else next(fresh))
    return sent
