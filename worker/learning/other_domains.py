"""Texts unlike those a model learned from, made from templates, and how well token surprise tells them apart.

For the cards of the builtin models and for tests: seeded, so that the figures can be made again. What is said here is
said of these kinds of text only; a domain of one's own needs texts of one's own.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.decision.domain import SurpriseTable
from worker.learning.surprise import TokenIds

TEXTS_OF_A_KIND = 150
SEED = 6
FEWEST_TOKENS = 2
"""Below as many content tokens a text is `too_short`: no table can tell what it is."""
FALSE_ALARM_RATE = 0.01
USUAL = "held-out texts of its own domain"

_GERMAN = (
    ("Gestern", "Heute Morgen", "Am Wochenende", "Leider", "Zum Glück", "Seit Tagen"),
    ("hat der Nachbar", "haben wir", "hat meine Schwester", "hat die Behörde", "haben die Kinder"),
    ("den Zug nach Hannover", "das neue Fahrrad", "einen langen Brief", "die Rechnung vom Mai", "unsere Blumen"),
    ("nicht gefunden", "wieder vergessen", "endlich bekommen", "sehr geliebt", "zweimal beschrieben"),
    ("", "und niemand weiß warum", "obwohl es regnete", "wie jedes Jahr"),
)
_SPANISH = (
    ("Ayer", "Esta mañana", "Por desgracia", "El domingo", "De repente", "Desde entonces"),
    ("mi hermana", "nuestro vecino", "la maestra", "el conductor", "toda la familia"),
    ("olvidó", "encontró", "no quiso ver", "perdió", "volvió a leer"),
    ("las llaves de la casa", "un libro muy viejo", "el último autobús", "la carta del banco", "su bicicleta"),
    ("", "y nadie dijo nada", "porque llovía mucho", "como siempre"),
)
_CODE = (
    ("for (int {a} = 0; {a} < {n}; {a}++)", "if ({a} == null || {b}.length > {n})", "while (!{a}.isEmpty())"),
    ("{{ {b}[{a}] = parse({a}); }}", "{{ return new {b}({n}); }}", '{{ throw new IOException("{a}"); }}'),
    ("", "// see {b}.h:{n}", "const {a} = await {b}.get({n});", "assert {a} != {b}"),
)
_SPECIFICATIONS = (
    ("Stainless steel", "Wireless", "Foldable", "LED", "Cordless", "Ceramic"),
    ("drill", "desk lamp", "router", "kettle", "charger", "shelf"),
    ("{n} W,", "{n} x {m} mm,", "{n} GHz,", "{n} ml,", "IP{n},"),
    ("SKU {m}-{n}", "ISO {m} compliant", "{n} pcs per carton", "110-240 V, 50 Hz", "2-year warranty"),
)
_NEWS = (
    ("The central bank", "The ministry", "A regional court", "The airline", "Shareholders of the group"),
    ("announced on Tuesday", "confirmed late Thursday", "denied in a statement", "ruled unanimously"),
    ("that quarterly revenue", "that the merger with a rival", "that interest rates", "that the railway tender"),
    ("would be suspended until {n} March", "rose {n}.{m} percent", "requires parliamentary approval"),
)
_NAMES = ("buffer", "nodeList", "ctx", "response", "idx", "UserDao", "payload", "tmp")
_UNICODE = "жшщюяλπσωдбгひらがな漢字한국어"


def foreign_texts(count: int = TEXTS_OF_A_KIND, *, seed: int = SEED) -> dict[str, list[str]]:
    """`count` texts of each kind, the same for the same seed."""
    return {kind: [make(random.Random(f"{seed} {kind} {n}")) for n in range(count)] for kind, make in KINDS.items()}  # noqa: S311


def _filled(parts: Sequence[Sequence[str]]) -> Callable[[random.Random], str]:
    def make(rng: random.Random) -> str:
        sentence = " ".join(filter(None, map(rng.choice, parts)))
        a, b = rng.sample(_NAMES, 2)
        return sentence.format(a=a, b=b, n=rng.randint(2, 99), m=rng.randint(100, 999)) if "{" in sentence else sentence

    return make


def _address(rng: random.Random) -> str:
    def word(size: int) -> str:
        return "".join(rng.choices(string.ascii_lowercase + string.digits, k=size))

    return f"https://{word(9)}.{rng.choice(('net', 'io', 'org'))}/{word(5)}/{word(12)}?id={rng.randint(1, 10**9)}"


def _random_characters(rng: random.Random) -> str:
    alphabet = rng.choice((string.ascii_lowercase, string.ascii_letters + string.digits, _UNICODE))
    return " ".join("".join(rng.choices(alphabet, k=rng.randint(3, 10))) for _ in range(rng.randint(3, 8)))


def _hardly_anything(rng: random.Random) -> str:
    return rng.choice(("...", "ok", "??", "!!!", "-", "x", ":)", "hm", "1", "no", ". . .", "\U0001f642", "lol", "k"))


KINDS: Mapping[str, Callable[[random.Random], str]] = {
    "German": _filled(_GERMAN),
    "Spanish": _filled(_SPANISH),
    "source code": _filled(_CODE),
    "web addresses": _address,
    "random characters": _random_characters,
    "product specifications": _filled(_SPECIFICATIONS),
    "business news": _filled(_NEWS),
    "hardly a word": _hardly_anything,
}


@dataclass(frozen=True)
class Separation:
    """How well texts of one kind are told from usual ones. `surprise` and `doubt`: AUROC of token surprise and of 1
    minus the maximum probability (the chance that such a text has more of it than a usual one). `found`: share of them
    that `caught` finds."""

    kind: str
    surprise: float
    doubt: float
    found: float


def separations(
    table: SurpriseTable, tokens: Mapping[str, TokenIds], doubt: Mapping[str, NDArray[np.floating]]
) -> list[Separation]:
    """For the texts of the domain (`USUAL`) themselves, and each kind of foreign ones."""
    surprise = {kind: table.judge(list(ids))[0] for kind, ids in tokens.items()}
    return [
        Separation(
            kind,
            auroc(surprise[kind], surprise[USUAL]),
            auroc(doubt[kind], doubt[USUAL]),
            float(caught(table, ids).mean()),
        )
        for kind, ids in tokens.items()
    ]


def caught(table: SurpriseTable, ids: TokenIds) -> NDArray[np.bool_]:
    """Texts with fewer than `FEWEST_TOKENS` content tokens, or more surprising than all but 1 % of held-back texts."""
    surprise, content = table.judge(list(ids))
    return (content < FEWEST_TOKENS) | (surprise > table.quantiles[FALSE_ALARM_RATE])


def auroc(higher: NDArray[np.floating], lower: NDArray[np.floating]) -> float:
    """Probability that a value of the one is above a value of the other, ties counted half."""
    ranked = np.sort(lower)
    below = np.searchsorted(ranked, higher, side="left") + np.searchsorted(ranked, higher, side="right")
    return float(below.mean() / 2 / len(lower))
