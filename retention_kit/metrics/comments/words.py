"""Comments as words: English and Arabic, in normalised spelling, without stop words.

The stop words are our own short list: articles, pronouns, prepositions and auxiliaries of the two languages. Negations
are kept, since unhappy customers write "not" and "never".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

LONGEST = 30  # letters of a word; longer ones are noise
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_MARKS = re.compile("[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
# Variants of letters that writers interchange: alef with and without hamza, alef maqsura, teh marbuta.
_LETTERS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ؤ": "و", "ئ": "ي"})
_AND = "و"  # "and", a prefix before the article, but part of the words for parents
_PARENTS = frozenset(
    ["والدتي", "والدته", "والدتها", "والدتك", "والدين", "والديه", "والديا", "والدنا", "والدها", "والدهم"]
)
_ENGLISH = """
    a about after again all also am an and any are as at be because been before being but by can could did do does doing
    done for from get gets getting got had has have having he her here hers him his how i if in into is it its itself
    just me more most much my myself of off on once only or other our ours out over own same she should so some such
    than that the their theirs them then there these they this those through to too under until up us very was we were
    what when where which while who whom why will with would you your yours i'm i've i'd i'll it's that's there's he's
    she's we're we've we'd we'll you're you've you'd you'll they're they've they'd they'll let's what's
"""
_ARABIC = """
    من في على الى عن مع هذا هذه ذلك تلك هو هي هم هن انا انت انتم نحن كان كانت كانوا يكون تكون كنت ان انه انها اني اننا
    التي الذي الذين ما ماذا كل بعض او ثم قد لقد كما لكن لان لانه لانها اذا عند عندما بعد قبل حتى به بها بهم لي له لها
    لهم لنا لك فيه فيها فيهم منه منها منهم عليه عليها عليهم اليه اليها عنه عنها هناك هنا ايضا جدا فقط اي بين وهو وهي
    ومن وفي وعلى وكان وكانت وان ولكن وما وهذا وهذه وانا يا كنا
"""


@lru_cache(maxsize=100_000)
def spelled(word: str) -> str:
    """A word in normalised spelling: lower case, without Arabic vowel signs and tatweel."""
    word = unicodedata.normalize("NFKC", word).casefold().replace("’", "'")
    return "not" if word.endswith("n't") or word == "cannot" else _MARKS.sub("", word).translate(_LETTERS)


STOP_WORDS = frozenset(spelled(word) for word in f"{_ENGLISH} {_ARABIC}".split())


def words_of(comment: str) -> Iterator[tuple[str, str]]:
    """The words of a comment without stop words: normalised spelling and original spelling in lower case."""
    text = comment if comment.isascii() else _MARKS.sub("", unicodedata.normalize("NFKC", comment))
    for spelling in _WORD.findall(text):
        word = spelled(spelling)
        if word.startswith(f"{_AND}ال") and len(word) > 5 and word not in _PARENTS:
            word, spelling = word[1:], spelling[1:]
        if 2 <= len(word) <= LONGEST and word not in STOP_WORDS:
            yield word, spelling.casefold()
