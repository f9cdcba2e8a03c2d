"""What a verdict is: the answer of a view in one sentence, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One sentence that answers a view's question, computed from artifacts, and how it was computed.

    `text` has the figure, its 95 % interval or the number of photos it rests on, and no page or button. `about` names
    the measure, the population, and the kind of interval. Neither is Markdown.
    """

    text: str
    about: str
