"""Where the table comes from: load it, join others to it, clean it."""

from pathlib import Path

import pandas as pd
from mlkeel.contract.suites import Contract
from mlkeel.data.tables import load as read_csv


def load(path: Path, contract: Contract) -> pd.DataFrame:
    """Read the table at `path`, one record a row, in the types that the contract names.

    What is joined or cleaned here is what the contract is held against. A column that comes so needs its expectations.
    """
    return read_csv(path, contract)
