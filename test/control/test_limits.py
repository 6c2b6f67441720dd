"""Nothing but finite, limited, smooth commands leaves the limiter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpc_ros.control.limits import Limiter

RANGE = np.array([[-1.0, 1.0], [0.05, 2.0]])
PERIOD = 2_000_000
anything = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(anything, anything), min_size=1, max_size=30), st.sampled_from([0.0, 3.0]))
def test_any_input_gives_finite_values_inside_the_limits(commands: list[tuple[float, float]], slew: float) -> None:
    limiter = Limiter(RANGE, PERIOD)
    limiter.slew_rate = slew
    last = limiter.safe
    for number, command in enumerate(commands):
        ctrl = limiter.apply(np.array(command), number * PERIOD)
        assert np.isfinite(ctrl).all()
        assert (RANGE[:, 0] <= ctrl).all()
        assert (ctrl <= RANGE[:, 1]).all()
        if slew:
            assert (np.abs(ctrl - last) <= slew * 2e-3 * np.ptp(RANGE, axis=1) + 1e-12).all()
        last = ctrl


def test_safe_command_is_zero_or_the_limit_next_to_it() -> None:
    assert Limiter(RANGE, PERIOD).safe == pytest.approx([0.0, 0.05])


def test_a_value_that_is_not_finite_keeps_the_last_one() -> None:
    limiter = Limiter(RANGE, PERIOD)
    limiter.apply(np.array([0.5, 1.0]), 0)
    assert limiter.apply(np.array([np.nan, 1.5]), PERIOD) == pytest.approx([0.5, 1.5])
