"""How hard a password is to guess, by zxcvbn (Wheeler, USENIX Security 2016)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from zxcvbn.matching import RANKED_DICTIONARIES, build_ranked_dict, omnimatch
from zxcvbn.scoring import most_guessable_match_sequence
from zxcvbn.time_estimates import guesses_to_score

LONGEST_JUDGED = 64
"""Characters by which a password is judged, for the time of a judgement grows with the square of their number."""
MOST_WORDS = 50
SHORTEST_WORD = 3
STRONG_ENOUGH = 3
"""On a scale from 0 to 4: at least 10^8 guesses, out of reach for whoever does not have the hash."""


def is_strong(password: str, personal: Iterable[str]) -> bool:
    """Whether a password is hard to guess, also for somebody who knows what is `personal` to whoever chose it.

    Those words count for nothing, and what resembles them for little. The library's own entry point keeps them in a
    dictionary that all threads share; here they stay here.
    """
    words = [word.lower() for text in personal for word in (text, *re.split(r"[\s@._+-]+", text))][:MOST_WORDS]
    words = sorted((word for word in words if len(word) >= SHORTEST_WORD), key=len, reverse=True)
    dictionaries = {**RANKED_DICTIONARIES, "user_inputs": build_ranked_dict(words)}
    judged = password[:LONGEST_JUDGED]
    for word in words:
        judged = re.sub(re.escape(word), "", judged, flags=re.IGNORECASE)
    if not judged:
        return False
    guesses = most_guessable_match_sequence(judged, omnimatch(judged, dictionaries))["guesses"]
    return int(guesses_to_score(guesses)) >= STRONG_ENOUGH
