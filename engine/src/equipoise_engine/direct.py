"""What decides a flag of the commonest shape in one function, for the interpreter, where calls cost most.

That shape: an experiment of two arms comes first, behind clauses alone, with one range of slots and no
gate. `Snapshot.evaluate` reads what is prepared here; whatever is unusual it leaves to the flag itself.
"""

from __future__ import annotations

from equipoise_engine.claims import Number
from equipoise_engine.decisions import Answer
from equipoise_engine.flags import Compiled
from equipoise_engine.hashing import HASH_SPACE, LENGTH_OF_ASCII, signed
from equipoise_engine.murmur import IS_COMPILED
from equipoise_engine.splits import TextSplit

MOST_SIZES = 8

# What the hashes of units begin with, for the layer and for the split, by the size of the unit.
Heads = list[tuple[str, str] | None]
Texts = tuple[tuple[str, frozenset[object]], ...]
Ranges = tuple[tuple[str, Number | None, Number | None], ...]
# From and up to which signed hash the slots go (None: all hashes are inside), and whether that is inside or
# outside of them; the same of the arms, with the one between and the other.
Edges = tuple[int | None, int, bool]
Bounds = tuple[int, int, Answer, Answer]
# The type of the code default; the clauses on texts and on numbers; the unit type; the heads, edges and
# bounds; the experiment, and the flag without it. Unpacking a tuple costs less than reading members.
Direct = tuple[type, Texts, Ranges, str, Heads, *Edges, *Bounds, TextSplit, Compiled]


def direct(flag: Compiled) -> Direct | None:
    """Return what decides a flag in one function; None when it is of another shape."""
    found = None if IS_COMPILED else flag.behind_experiment()
    if found is None:
        return None
    eligible, decider, rest = found
    if not isinstance(decider, TextSplit) or (eligible is not None and eligible.others is not None):
        return None
    shape = decider.plain()
    if shape is None:
        return None
    unit_type, edges, bound, first, later = shape
    slots: Edges = (None, 0, True) if edges == (0, HASH_SPACE) else signed(*edges)
    low, high, is_first = signed(0, bound)
    arms = (first, later) if is_first else (later, first)
    clauses = () if eligible is None else eligible.clauses
    texts = tuple([(clause.attribute, clause.texts) for clause in clauses if clause.texts is not None])
    ranges = tuple([(one.attribute, one.low, one.high) for one in clauses if one.texts is None])
    heads: Heads = [None] * LENGTH_OF_ASCII
    return flag.kind, texts, ranges, unit_type, heads, *slots, low, high, *arms, decider, rest


def heads_of(size: int, heads: Heads, split: TextSplit) -> tuple[str, str] | None:
    """Return what the hashes of units of a size begin with, and remember it; None for odd sizes."""
    made = split.heads(size)
    if made is not None:
        if len(heads) - heads.count(None) >= MOST_SIZES:
            heads[:] = [None] * LENGTH_OF_ASCII
        heads[size] = made
    return made
