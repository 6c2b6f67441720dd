"""What the filter does when sensors, stamps, commands or the model are wrong. Times are stamps, so exact."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from hypothesis.strategies import integers, sampled_from
from plants import PERIOD_NS, Plant, follow, load, tracked, wave

from gpc_ros.coordinates import Coordinates
from gpc_ros.errors import InvalidModel, InvalidParameter
from gpc_ros.estimation.ekf import Ekf
from gpc_ros.estimation.parameters import EstimatorParameters
from gpc_ros.estimation.sensors import sensors_of
from gpc_ros.signals import Command, Estimate, Health, Measurement

MS = 1_000_000


def _same(one: Estimate, other: Estimate) -> bool:
    return all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in ("qpos", "qvel", "covariance")
    )


def _positions(plant: Plant, shift: float = 0.0) -> dict[str, np.ndarray]:
    return {"position": plant.measure().readings["position"] + shift}


def _drop(plant: Plant, ekf: Ekf, ticks: int) -> list[Estimate | None]:
    """Ticks without a measurement."""
    found = []
    for _ in range(ticks):
        command = wave(plant.tick)
        plant.step(command.ctrl)
        found.append(ekf.predict(plant.stamp_ns, command))
    return found


def test_dropout_of_10_ms_is_bridged_without_an_event():
    errors = []
    plant, ekf = tracked()
    for moment in np.random.default_rng(1).integers(5, 15, 20):
        for _ in range(moment):
            follow(plant, ekf)
        for estimate in _drop(plant, ekf, 1) + _drop(plant, ekf, 4)[-1:]:
            assert estimate.health is Health.OK
            assert estimate.stamp_ns <= plant.stamp_ns
        errors.append(plant.error(estimate) / np.sqrt(np.diag(estimate.covariance)))
        assert follow(plant, ekf).health is Health.OK
    assert np.mean(np.abs(errors) <= 3) >= 0.99
    assert not ekf.counters


def test_dropout_of_100_ms_degrades_after_20_ms_and_ends_with_the_next_measurement():
    plant, ekf = tracked()
    healths = [estimate.health for estimate in _drop(plant, ekf, 50)]
    assert healths == [Health.OK] * 10 + [Health.DEGRADED] * 40
    assert follow(plant, ekf).health is Health.OK
    assert not ekf.counters


def test_dropout_of_a_second_ends_coasting_and_starts_anew():
    plant, ekf = tracked()
    found = _drop(plant, ekf, 500)
    assert [estimate is None for estimate in found] == [False] * 100 + [True] * 400
    assert follow(plant, ekf).health is Health.STARTING
    assert ekf.counters == {"restart: gap": 1}
    healths = [follow(plant, ekf).health for _ in range(25)]
    assert healths[-1] is Health.OK


def test_predicting_changes_nothing():
    (plant, ekf), (_, twin) = tracked(), tracked()
    command = wave(plant.tick)
    for ahead in (1, 100, 50, 3, 200):
        ekf.predict(plant.stamp_ns + ahead * PERIOD_NS, command)
    plant.step(command.ctrl)
    measurement = plant.measure()
    assert _same(ekf.update(measurement, command), twin.update(measurement, command))
    assert not ekf.counters


def test_predict_has_no_answer_before_the_first_measurement_or_for_the_past():
    plant, ekf = tracked()
    assert Ekf(load("cart_pole"), EstimatorParameters(), PERIOD_NS).predict(PERIOD_NS) is None
    assert ekf.predict(plant.stamp_ns - PERIOD_NS) is None
    assert ekf.predict(plant.stamp_ns).stamp_ns == plant.stamp_ns


def test_coasting_to_the_next_stamp_is_the_prediction_of_an_update():
    """An update with a useless measurement and the coasting estimate agree."""
    plant, ekf = tracked()
    stamp_ns = plant.stamp_ns + 7 * PERIOD_NS
    coasting = ekf.predict(stamp_ns, wave(0))
    updated = ekf.update(Measurement(stamp_ns, _positions(plant, 1.0)), wave(0))
    assert ekf.counters == {"gate": 1}
    assert _same(coasting, updated)


@pytest.mark.parametrize("sensor", ["position", "velocity"])
@pytest.mark.parametrize("field", [0, 1])
@pytest.mark.parametrize(
    ("value", "reason"), [(np.nan, "nonfinite"), (np.inf, "nonfinite"), (-np.inf, "nonfinite"), (1e308, "range")]
)
def test_one_bad_field_refuses_the_whole_measurement(sensor, field, value, reason):
    (plant, ekf), (_, twin) = tracked(velocity_std=0.02), tracked(velocity_std=0.02)
    command = wave(plant.tick)
    plant.step(command.ctrl)
    bad = plant.measure()
    bad.readings[sensor][field] = value
    estimate = ekf.update(bad, command)
    assert ekf.counters == {reason: 1}
    assert _same(estimate, twin.predict(plant.stamp_ns, command))
    plant.step(command.ctrl)
    good = plant.measure()
    assert _same(ekf.update(good, command), twin.update(good, command))


def test_denormal_numbers_are_numbers():
    ekf = Ekf(load("cart_pole"), EstimatorParameters(), PERIOD_NS)
    estimate = ekf.update(Measurement(PERIOD_NS, {"position": np.array([5e-324, -5e-324])}))
    assert not ekf.counters
    assert estimate.health is Health.STARTING


def test_a_second_of_nan_is_a_second_of_silence():
    plant, ekf = tracked()
    for k in range(500):
        command = wave(plant.tick)
        plant.step(command.ctrl)
        estimate = ekf.update(Measurement(plant.stamp_ns, {"position": np.full(2, np.nan)}), command)
        assert estimate.stamp_ns == plant.stamp_ns
        assert (estimate.health is Health.UNHEALTHY) is (k >= 100)  # it has coasted for as long as it may
        assert np.isfinite(estimate.qpos).all()
    assert ekf.counters == {"nonfinite": 500}
    assert follow(plant, ekf).health is Health.STARTING


def test_out_of_order_measurements_leave_what_the_rising_ones_leave():
    (plant, ekf), (_, twin) = tracked(), tracked()
    command = wave(0)
    measurements = []
    for _ in range(50):
        plant.step(command.ctrl)
        measurements.append(plant.measure())
    newest = 0
    for i in np.random.default_rng(2).permutation(50):
        estimate = ekf.update(measurements[i], command)
        if measurements[i].stamp_ns > newest:
            newest = measurements[i].stamp_ns
            expected = twin.update(measurements[i], command)
        assert _same(estimate, expected)
    assert set(ekf.counters) == {"late"}


def test_a_duplicate_does_not_shrink_the_covariance_twice():
    (plant, ekf), (_, twin) = tracked(), tracked()
    command = wave(plant.tick)
    plant.step(command.ctrl)
    measurement = plant.measure()
    ekf.update(measurement, command)
    assert _same(ekf.update(measurement, command), twin.update(measurement, command))
    assert ekf.counters == {"duplicate": 1}


@pytest.mark.parametrize(("ahead_ms", "refused"), [(0, 0), (5, 0), (6, 1), (10, 1), (1000, 1), (3_600_000, 1)])
def test_future_stamps_are_refused_beyond_the_tolerance(ahead_ms, refused):
    plant, ekf = tracked()
    now_ns = plant.stamp_ns + PERIOD_NS
    before = plant.stamp_ns
    estimate = ekf.update(Measurement(now_ns + ahead_ms * MS, _positions(plant)), now_ns=now_ns)
    assert ekf.counters["future"] == refused
    assert (estimate.stamp_ns == before) == bool(refused)


@pytest.mark.parametrize("stamp", [0, -1, -(2**40), 2**31 * 10**9, 2**63, 1.5, float("nan"), None])
def test_absurd_stamps_are_refused(stamp):
    plant, ekf = tracked()
    ekf.update(Measurement(stamp, _positions(plant)))
    assert ekf.counters == {"stamp": 1}


def test_a_clock_set_back_is_believed_after_200_ms_of_rising_stamps():
    plant, ekf = tracked(ticks=300)
    plant.tick = 1
    healths = []
    for _ in range(101):
        estimate = follow(plant, ekf)
        healths.append(estimate.stamp_ns == plant.stamp_ns)
    assert healths == [False] * 100 + [True]
    assert ekf.counters == {"late": 100, "restart: clock": 1}


def test_a_new_epoch_starts_anew_at_once_and_the_old_one_is_refused():
    plant, ekf = tracked()
    old = Measurement(plant.stamp_ns + PERIOD_NS, _positions(plant), 0)
    plant.place(np.array([-1.0, 3.0]), np.zeros(2))
    plant.tick += 1
    estimate = ekf.update(plant.measure(epoch=1), wave(0))
    assert (estimate.epoch, estimate.health) == (1, Health.STARTING)
    np.testing.assert_allclose(estimate.qpos, [-1.0, 3.0], atol=6e-3)
    assert _same(ekf.update(old), estimate)
    assert ekf.counters == {"restart: epoch": 1, "epoch": 1}


@pytest.mark.parametrize("pattern", ["burst", "random"])
def test_outliers_are_left_out_and_cost_at_most_twice_the_error(pattern):
    squares = {"clean": [], "spoilt": []}
    for seed in range(25):
        (plant, clean), (_, spoilt) = tracked(ticks=60, seed=seed), tracked(ticks=60, seed=seed)
        rng = np.random.default_rng(seed)
        for k in range(60):
            command = wave(plant.tick)
            plant.step(command.ctrl)
            measurement = plant.measure()
            hit = 10 <= k < 15 if pattern == "burst" else rng.random() < 0.2
            bad = Measurement(plant.stamp_ns, {"position": measurement.readings["position"] + 1e-2}) if hit else None
            squares["clean"].append(plant.error(clean.update(measurement, command)) ** 2)
            squares["spoilt"].append(plant.error(spoilt.update(bad or measurement, command)) ** 2)
        assert spoilt.counters["gate"] >= 3
        assert spoilt.counters["reset"] == 0
    rmse = {name: np.sqrt(np.mean(values, axis=0)) for name, values in squares.items()}
    assert (rmse["spoilt"] <= 2 * rmse["clean"]).all()


def test_many_outliers_degrade_but_a_few_do_not():
    plant, ekf = tracked()
    for k in range(1, 21):
        plant.step(wave(plant.tick).ctrl)
        shift = 1.0 if k % 2 else 0.0
        estimate = ekf.update(Measurement(plant.stamp_ns, _positions(plant, shift)), wave(plant.tick - 1))
        if k == 10:
            assert estimate.health is Health.OK
    assert ekf.counters["gate"] == 10
    plant.step(wave(plant.tick).ctrl)
    assert ekf.update(Measurement(plant.stamp_ns, _positions(plant, 1.0))).health is Health.DEGRADED


def test_sensors_that_drift_apart_are_unhealthy_within_a_second():
    plant, ekf = tracked(velocity_std=0.02)
    healths = []
    for k in range(500):
        command = wave(plant.tick)
        plant.step(command.ctrl)
        readings = dict(plant.measure().readings)
        readings["position"] = readings["position"] + 0.5e-3 * k  # 0.25 rad/s that the velocity does not show
        estimate = ekf.update(Measurement(plant.stamp_ns, readings), command)
        healths.append(estimate.health)
        assert np.isfinite(estimate.qvel).all()
    assert Health.UNHEALTHY in healths


def test_a_jump_is_believed_after_200_ms_of_rejections():
    plant, ekf = tracked()
    healths = []
    plant.place(plant.data.qpos + np.array([0.8, 1.0]), plant.data.qvel)
    for _ in range(101):
        estimate = follow(plant, ekf)
        healths.append(estimate.health)
        assert ekf.counters["reset"] == (len(healths) == 101)
    assert healths[:9] == [Health.OK] * 9
    assert set(healths[10:100]) == {Health.DEGRADED}
    assert healths[100] is Health.STARTING
    np.testing.assert_allclose(estimate.qpos, plant.data.qpos, atol=6e-3)
    for _ in range(150):
        estimate = follow(plant, ekf)
    assert estimate.health is Health.OK
    assert ekf.counters == {"gate": 101, "reset": 1}


def test_readings_are_found_by_name_in_any_order():
    (plant, ekf), (_, twin) = tracked(velocity_std=0.02), tracked(velocity_std=0.02)
    plant.step(wave(plant.tick).ctrl)
    measurement = plant.measure()
    reverse = dict(reversed(measurement.readings.items()))
    assert list(reverse) != list(measurement.readings)
    assert _same(ekf.update(Measurement(plant.stamp_ns, reverse)), twin.update(measurement))


@pytest.mark.parametrize(
    ("readings", "reason", "message"),
    [
        ({}, "names", "without readings. Valid: position, velocity"),
        ({"lidar": np.zeros(2)}, "names", "unknown sensor 'lidar'. Valid: position, velocity"),
        ({"x" * 10**6: np.zeros(2)}, "names", "unknown sensor"),
        ({"position": np.zeros(3)}, "size", r"shape (3,), expected (2,)"),
        ({"position": np.zeros(0)}, "size", r"shape (0,), expected (2,)"),
        ({"position": np.zeros((2, 1))}, "size", r"shape (2, 1), expected (2,)"),
        ({"position": np.zeros(10**6)}, "size", "expected (2,)"),
        ({"position": [0.0, 0.0]}, "type", "not an array of numbers"),
        ({"position": np.array(["a", "b"])}, "type", "not an array of numbers"),
        ({"position": np.array([57.3, 0.0])}, "range", "slide = 57.3 is outside [-2.7, 2.7]"),
        ({"position": np.array([0.0, 1e4])}, "range", "pole = 10000 is outside [-1000, 1000]"),
        ({"velocity": np.array([0.0, -1e4])}, "range", "pole = -10000 is outside [-1000, 1000]"),
    ],
)
def test_bad_readings_are_refused_with_a_reason(readings, reason, message):
    plant, ekf = tracked(ticks=10)
    estimate = ekf.update(Measurement(plant.stamp_ns + PERIOD_NS, readings))
    assert ekf.counters == {reason: 1}
    assert message in ekf.last_refusal
    assert len(ekf.last_refusal) < 300
    assert estimate.stamp_ns == plant.stamp_ns + PERIOD_NS


_ANYTHING = arrays(
    sampled_from([np.float64, np.float32, np.int32, np.bool_, np.complex128, np.dtype("U3")]),
    array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(position=_ANYTHING, velocity=_ANYTHING, stamp=integers(-(2**63), 2**64))
def test_nothing_that_arrives_makes_it_raise_or_return_what_is_not_finite(position, velocity, stamp):
    ekf = Ekf(load("cart_pole"), EstimatorParameters(), PERIOD_NS)
    ekf.update(Measurement(PERIOD_NS, {"position": np.zeros(2)}))
    for stamp_ns in (2 * PERIOD_NS, stamp, 3 * PERIOD_NS):
        estimate = ekf.update(Measurement(stamp_ns, {"position": position, "velocity": velocity}))
        assert np.isfinite([*estimate.qpos, *estimate.qvel]).all()
        assert np.linalg.eigvalsh(estimate.covariance)[0] > 0


def test_before_anything_good_came_the_estimate_is_not_to_be_used():
    ekf = Ekf(load("cart_pole"), EstimatorParameters(), PERIOD_NS)
    estimate = ekf.update(Measurement(PERIOD_NS, {"position": np.full(2, np.nan)}))
    assert (estimate.stamp_ns, estimate.health) == (PERIOD_NS, Health.UNHEALTHY)


def test_noise_ten_times_too_large_is_unhealthy_but_does_not_diverge():
    plant, ekf = tracked()
    plant.position_std = 1e-2
    healths = []
    for _ in range(500):
        estimate = follow(plant, ekf)
        healths.append(estimate.health)
        assert np.abs(plant.error(estimate)[:2]).max() < 0.1
    assert Health.UNHEALTHY in healths  # within a second


def test_unhealthy_lasts_for_a_second_of_good_measurements():
    plant, ekf = tracked()
    plant.position_std = 1e-2
    while follow(plant, ekf).health is not Health.UNHEALTHY:
        assert plant.tick < 2000
    plant.position_std = 1e-3
    recovery = [follow(plant, ekf).health for _ in range(700)]
    healthy = recovery.index(Health.OK)
    assert 500 <= healthy < 700
    assert set(recovery[:healthy]) == {Health.UNHEALTHY}


def test_a_model_that_is_off_by_half_is_unhealthy_within_500_ms():
    plant, ekf = tracked(ticks=50)
    plant.model.actuator_gear[:] *= 0.5
    healths = []
    for _ in range(250):
        plant.step(np.array([0.9]))
        healths.append(ekf.update(plant.measure(), Command(0, np.array([0.9]))).health)
    assert healths[-1] is Health.UNHEALTHY


def test_what_is_not_observed_is_named_and_the_filter_stays_starting():
    ekf = Ekf(load("ball"), EstimatorParameters(), PERIOD_NS)
    for k in range(1, 300):
        estimate = ekf.update(Measurement(k * PERIOD_NS, {"position": np.zeros(1)}))
        assert estimate.health is Health.STARTING
    assert ekf.unconverged == [name for name in Coordinates(load("ball")).names if name != "elbow"]


def test_a_start_far_off_is_starting_until_the_velocity_is_known():
    plant, _ = tracked()
    ekf = Ekf(load("cart_pole"), EstimatorParameters(acceleration_std=[2.0]), PERIOD_NS)
    plant.place(np.array([1.0, 3.0]), np.array([4.0, -9.0]))
    healths, errors = [], []
    for _ in range(30):
        plant.step(np.zeros(1))
        estimate = ekf.update(plant.measure())
        healths.append(estimate.health)
        errors.append(np.abs(plant.error(estimate)[2:]).max())
    started = healths.index(Health.OK)
    assert 2 < started < 25
    assert healths == [Health.STARTING] * started + [Health.OK] * (30 - started)
    assert errors[0] > 5
    assert max(errors[started:]) < 4 * 0.3


def test_a_failure_of_numbers_starts_anew():
    class Broken(type(sensors_of(load("cart_pole"), EstimatorParameters())["position"])):
        broken = False

        def jacobian(self, qpos, qvel):
            return super().jacobian(qpos, qvel) * (np.nan if self.broken else 1.0)

    sensor = Broken(load("cart_pole"), EstimatorParameters())
    ekf = Ekf(load("cart_pole"), EstimatorParameters(), PERIOD_NS, sensors={"position": sensor})
    for k in range(1, 20):
        sensor.broken = k == 15
        estimate = ekf.update(Measurement(k * PERIOD_NS, {"position": np.array([0.1, 0.2])}))
        assert np.isfinite(estimate.covariance).all()
        assert ekf.counters["numerical"] == (k >= 15)
    np.testing.assert_allclose(estimate.qpos, [0.1, 0.2], atol=1e-3)


@pytest.mark.parametrize("ctrl", [np.array([np.nan]), np.array([np.inf]), np.zeros(2), np.zeros(0)])
def test_a_bad_command_leaves_the_last_good_one_in_force(ctrl):
    (plant, ekf), (_, twin) = tracked(), tracked()
    good = Command(0, np.array([0.7]))
    for command in (good, Command(0, ctrl)):
        plant.step(good.ctrl)
        measurement = plant.measure()
        one, other = ekf.update(measurement, command), twin.update(measurement, good)
    assert _same(one, other)
    assert ekf.counters == {"command": 1}


def test_no_command_means_actuators_at_zero():
    (plant, ekf), (_, twin) = tracked(), tracked()
    plant.step(np.zeros(1))
    measurement = plant.measure()
    assert _same(ekf.update(measurement), twin.update(measurement, Command(0, np.zeros(1))))


def test_a_stamp_that_jitters_costs_no_second_step_and_changes_little():
    (plant, ekf), (_, twin) = tracked(), tracked()
    command = wave(0)
    one = ekf.predict(plant.stamp_ns + PERIOD_NS + PERIOD_NS // 20, command)
    two = twin.predict(plant.stamp_ns + PERIOD_NS, command)
    np.testing.assert_allclose(one.qpos, two.qpos + 1e-4 * two.qvel, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"acceleration_std": [1.0, 2.0, 3.0]}, "acceleration_std has 3 values, valid: 1 or 2"),
        ({"position_std": [1.0, 2.0, 3.0]}, "position_std has 3 values"),
        ({"velocity_std": [1.0, 2.0, 3.0]}, "velocity_std has 3 values"),
        ({"actuator_std": [1.0, 2.0]}, "actuator_std has 2 values, valid: 1 or 1"),
    ],
)
def test_lists_of_the_wrong_length_are_refused(values, message):
    with pytest.raises(InvalidParameter, match=message):
        Ekf(load("cart_pole"), EstimatorParameters(**values), PERIOD_NS)


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (np.eye(3), r"has shape \(3, 3\), expected \(4, 4\)"),
        (np.diag([1.0, 1.0, 1.0, np.nan]), "is not finite"),
        (np.diag([1.0, 1.0, 1.0, -1e-3]), "is not positive semidefinite: eigenvalue -0.001"),
        (np.eye(4) + np.eye(4, k=1), "is not symmetric"),
    ],
)
def test_an_initial_covariance_that_is_none_is_refused(covariance, message):
    ekf = Ekf(load("cart_pole"), EstimatorParameters(), PERIOD_NS)
    with pytest.raises(InvalidParameter, match=f"initial covariance {message}"):
        ekf.start(Estimate(PERIOD_NS, np.zeros(2), np.zeros(2), covariance))


@pytest.mark.parametrize(
    ("qpos", "qvel", "message"),
    [(np.zeros(3), np.zeros(2), "expected qpos"), (np.zeros(2), np.full(2, np.nan), "is not finite")],
)
def test_an_initial_state_that_is_none_is_refused(qpos, qvel, message):
    ekf = Ekf(load("cart_pole"), EstimatorParameters(), PERIOD_NS)
    with pytest.raises(InvalidParameter, match=message):
        ekf.start(Estimate(PERIOD_NS, qpos, qvel))


def test_a_period_that_is_not_positive_is_refused():
    with pytest.raises(InvalidParameter, match="period_ns = 0"):
        Ekf(load("cart_pole"), EstimatorParameters(), 0)


def test_actuators_with_a_state_are_refused():
    model = load("cart_pole").__class__.from_xml_string(
        """<mujoco><worldbody><body><joint name="j"/><geom size="1"/></body></worldbody>
        <actuator><intvelocity joint="j" actrange="-1 1"/></actuator></mujoco>"""
    )
    with pytest.raises(InvalidModel, match="has 1"):
        Ekf(model, EstimatorParameters(), PERIOD_NS)


def test_the_task_model_is_left_alone():
    model = load("cart_pole")
    before = (model.opt.timestep, model.opt.disableflags)
    ekf = Ekf(model, EstimatorParameters(), PERIOD_NS)
    ekf.update(Measurement(PERIOD_NS, {"position": np.zeros(2)}))
    ekf.update(Measurement(2 * PERIOD_NS, {"position": np.zeros(2)}))
    assert (model.opt.timestep, model.opt.disableflags) == before


SERVO = """
<mujoco><worldbody><body><joint name="arm" axis="0 1 0" damping="1"/><geom type="capsule" size="0.05"
 fromto="0 0 0 0.5 0 0"/></body></worldbody><actuator><position joint="arm" kp="200" kv="20" ctrllimited="true"
 ctrlrange="-1 1"/></actuator></mujoco>
"""


def test_without_a_command_a_servo_carries_its_load_and_then_stays_where_it_was_told_to_be() -> None:
    ekf = Ekf(mujoco.MjModel.from_xml_string(SERVO), EstimatorParameters(), PERIOD_NS)

    def moved(command: Command | None) -> float:
        found = ekf.predict(ekf.update(measurement, None).stamp_ns + 10 * MS, command)
        assert found is not None
        return float(found.qpos[0] - measurement.readings["position"][0])

    measurement = Measurement(PERIOD_NS, {"position": np.array([0.3])})
    told = Command(2 * PERIOD_NS, np.array([0.8]))
    assert moved(None) == pytest.approx(0.0, abs=1e-6)
    assert moved(told) > 1e-3
    measurement = Measurement(2 * PERIOD_NS, {"position": np.array([0.3])})
    ekf.update(measurement, told)
    assert moved(None) == moved(told) > 1e-3
