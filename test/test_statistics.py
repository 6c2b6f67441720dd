"""The histogram against numpy's exact percentiles."""

from __future__ import annotations

import numpy as np
import pytest

from gpc_ros.statistics import Counts, Histogram


def test_percentiles_are_exact_to_a_microsecond() -> None:
    values = np.random.default_rng(0).gamma(2.0, 4e5, 20_000)
    histogram = Histogram()
    for value in values:
        histogram.add(int(value))
    for fraction in (0.01, 0.5, 0.99, 0.999):
        assert histogram.percentile_ms(fraction) == pytest.approx(np.quantile(values, fraction) / 1e6, abs=2e-3)
    assert histogram.summary()["max"] == int(values.max()) / 1e6


def test_beyond_the_last_bin_the_maximum_stands() -> None:
    histogram = Histogram()
    for value in (1_000_000, 50_000_000):
        histogram.add(value)
    assert histogram.summary() == {"p50": pytest.approx(1.001), "p99": 50.0, "max": 50.0}


def test_empty() -> None:
    assert Histogram().summary() == {"p50": 0.0, "p99": 0.0, "max": 0.0}


def test_counts_read_as_text() -> None:
    assert Counts().text() == "none"
    text = Counts({"late": 2, "early": 0, "bad": 1, "not late": 7}).text()
    assert text == "bad: 1, late: 2, not late: 7"
    assert [Counts.number_in(text, reason) for reason in ("late", "bad", "not late", "early")] == [2, 1, 7, 0]
    assert Counts.number_in("none", "late") == 0
