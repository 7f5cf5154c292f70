from typing import get_args

from mlkeel.monitor.checks import Check
from mlkeel.report.recommendations import REMEDIES


def test_every_check_of_the_monitor_has_a_remedy() -> None:
    assert set(REMEDIES) == set(get_args(Check))
