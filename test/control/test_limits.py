"""Nothing but finite, limited, smooth commands leaves the limiter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpc_ros.control.limits import Limiter
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.crane import Crane

RANGE = np.array([[-1.0, 1.0], [0.05, 2.0]])
PERIOD = 2_000_000
NEITHER = np.zeros(2, dtype=bool)
anything = st.floats(allow_nan=True, allow_infinity=True)


def limiter_of(servos: NDArray[np.bool_] = NEITHER, rest: tuple[float, float] = (0.0, 0.0)) -> Limiter:
    return Limiter(RANGE, PERIOD, rest=np.array(rest), servos=servos)


@given(st.lists(st.tuples(anything, anything), min_size=1, max_size=30), st.sampled_from([0.0, 3.0]))
def test_any_input_gives_finite_values_inside_the_limits(commands: list[tuple[float, float]], slew: float) -> None:
    limiter = limiter_of()
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
    assert limiter_of().safe == pytest.approx([0.0, 0.05])


def test_a_servo_is_safe_where_it_was_told_to_be() -> None:
    limiter = limiter_of(np.array([False, True]), rest=(0.0, 1.5))
    assert limiter.safe == pytest.approx([0.0, 1.5])
    limiter.apply(np.array([0.5, 1.2]), 0)
    limiter.begin_blend(PERIOD, 2 * PERIOD)
    for tick in range(1, 5):
        out = limiter.apply(limiter.safe, tick * PERIOD)
    assert out == pytest.approx([0.0, 1.2])


def test_before_the_first_command_the_robot_is_told_to_stay_at_its_named_start() -> None:
    crane = Crane()
    np.testing.assert_allclose(Limiter.of(crane, PERIOD).safe, crane.model.key("hanging").ctrl, atol=0.01)
    assert Limiter.of(CartPole(), PERIOD).safe == 0.0


def test_a_robot_put_elsewhere_is_safe_there() -> None:
    limiter = limiter_of(np.array([False, True]))
    limiter.apply(np.array([0.5, 1.2]), 0)
    limiter.begin_blend(0, PERIOD * 10)
    limiter.seat(np.array([0.3, 0.7]))
    assert limiter.safe == pytest.approx([0.0, 0.7])
    assert limiter.apply(np.array([0.5, 0.7]), PERIOD) == pytest.approx([0.5, 0.7])


def test_a_value_that_is_not_finite_keeps_the_last_one() -> None:
    limiter = limiter_of()
    limiter.apply(np.array([0.5, 1.0]), 0)
    assert limiter.apply(np.array([np.nan, 1.5]), PERIOD) == pytest.approx([0.5, 1.5])
