"""What a table was split by, in words, for every place that shows a score.

A score says little without it: on rows whose group or time the model has seen, it is too good.
"""

import json
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError


class SplitDescription(BaseModel):
    """How the rows of a table were split.

    Attributes:
        by: the kind of split, as in `data.split`, or `own` for a function of the project's own.
        columns: the columns that it was by: groups, times, given splits or a key.
        sentence: all of it in words, to follow "split".
        excluded_rows: how many rows are in no split.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    by: str
    columns: tuple[str, ...] = ()
    sentence: str
    excluded_rows: int = 0

    @property
    def short(self) -> str:
        """The kind and its columns, for a table."""
        return ": ".join([self.by, *([", ".join(self.columns)] if self.columns else [])])

    @property
    def group(self) -> str | None:
        """The column whose groups stay on one side, if there is one."""
        return self.columns[0] if self.by in ("group", "group_time") else None

    def keeps_sides_of(self, earlier: "SplitDescription | None", *, same_table: bool) -> bool:
        """Return whether no row is for testing now that an `earlier` split by the same settings had for training.

        Some rows may have been added since, unless it is the `same_table`: then cuts in the order of hashes move, and
        a group may come to be in another window.
        """
        if earlier is None or earlier.by != self.by:
            return False
        if same_table:
            return True
        if self.by == "random":
            return earlier.sentence == self.sentence  # else rows are split singly in one of them
        return self.by in ("group", "time", "given")

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read it from `metrics.json` of the version in `folder`; None if that does not say."""
        try:
            return cls.model_validate(json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["split"])
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            return None


OWN_SPLIT = SplitDescription(by="own", sentence="by a function of the project's own")
