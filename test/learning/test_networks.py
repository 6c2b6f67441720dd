"""The velocity networks and the flow along them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from gpc_ros.learning.networks import FlowPolicy  # noqa: E402
from gpc_ros.policy.architecture import Architecture, embed  # noqa: E402

SIZES = {"knots": 5, "actuators": 2, "observation": 3}
KINDS = {
    "mlp": Architecture(hidden=[8, 8]),
    "mlp of one layer": Architecture(hidden=[]),
    "glu": Architecture(kind="glu", hidden=[8, 6]),
    "glu that predicts the plan": Architecture(kind="glu", hidden=[8], waves=2, predicts="plan"),
    "cnn that predicts the plan": Architecture(kind="cnn", hidden=[4], predicts="plan"),
    "mlp with waves": Architecture(hidden=[8, 8], waves=7),
    "cnn with waves": Architecture(kind="cnn", hidden=[4, 6], embedding=4, waves=3),
    "cnn": Architecture(kind="cnn", hidden=[4, 6], embedding=4),
    "cnn of one block": Architecture(kind="cnn", hidden=[], embedding=2),
}


def policy(kind: str = "mlp", **sizes: int) -> FlowPolicy:
    torch.manual_seed(0)
    return FlowPolicy(KINDS[kind], **{**SIZES, **sizes})


def inputs(batch: int = 4):
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, 5, 2, generator=generator),
        torch.randn(batch, 3, generator=generator),
        torch.rand(batch, 1, generator=generator),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [0, 1, 4])
def test_velocities_have_the_shape_of_plans(kind: str, batch: int) -> None:
    assert policy(kind).velocity(*inputs(batch)).shape == (batch, 5, 2)
    assert policy(kind).sample(*inputs(batch)[:2], 2).shape == (batch, 5, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_the_names_and_shapes_that_the_policy_file_wants(kind: str) -> None:
    found = {name: tuple(value.shape) for name, value in policy(kind).state_dict().items()}
    assert found == KINDS[kind].shapes(**SIZES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changed", [0, 1, 2])
def test_a_velocity_depends_on_plan_observation_and_time(kind: str, changed: int) -> None:
    net, given = policy(kind), inputs()
    other = [value + (0.3 if index == changed else 0.0) for index, value in enumerate(given)]
    before, after = net.velocity(*given), net.velocity(*other)
    assert (before != after).flatten(1).any(dim=1).all()


def test_a_gate_of_zero_shuts_its_value_off() -> None:
    net, given = policy("glu"), inputs()
    with torch.no_grad():
        net.network.layers[1].weight[6:], net.network.layers[1].bias[6:] = 0.0, 0.0
    expected = net.network.layers[2].bias.expand(4, -1).view(4, 5, 2)
    torch.testing.assert_close(net.velocity(*given), expected)


@pytest.mark.parametrize("kind", ["glu that predicts the plan", "cnn that predicts the plan"])
@pytest.mark.parametrize("steps", [1, 7])
def test_the_flow_ends_in_the_plan_that_the_network_predicts_last(kind: str, steps: int) -> None:
    net, (start, observation, _) = policy(kind), inputs()
    asked = []
    net.network.register_forward_hook(lambda _, given, output: asked.append((given[2], output)))
    found = net.sample(start, observation, steps)
    time, last = asked[-1]
    assert len(asked) == steps
    torch.testing.assert_close(time, torch.full((4, 1), (steps - 1) / steps))
    torch.testing.assert_close(found, last.clamp(-1.0, 1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_batch_do_not_meet(kind: str) -> None:
    net, given = policy(kind), inputs()
    together = net.velocity(*given)
    for row in range(4):
        torch.testing.assert_close(net.velocity(*(value[row : row + 1] for value in given))[0], together[row])


def test_every_block_of_the_cnn_is_conditioned() -> None:
    """FiLM with weights of zero in one block leaves the others' dependence on observation and time."""
    net, (plan, observation, time) = policy("cnn"), inputs()
    for kept in range(len(net.network.blocks)):
        silent = policy("cnn")
        with torch.no_grad():
            for index, block in enumerate(silent.network.blocks):
                if index != kept:
                    block.film.weight.zero_()
        assert not torch.equal(silent.velocity(plan, observation, time), silent.velocity(plan, observation + 1, time))
        assert not torch.equal(silent.velocity(plan, observation, time), silent.velocity(plan, observation, time / 2))
    with torch.no_grad():
        for block in net.network.blocks:
            block.film.weight.zero_()
    torch.testing.assert_close(net.velocity(plan, observation, time), net.velocity(plan, observation + 1, time / 2))


def test_film_scales_and_shifts_each_channel() -> None:
    net = policy("cnn of one block")
    (block,) = net.network.blocks
    with torch.no_grad():
        block.film.weight.zero_()
        block.film.bias[:2], block.film.bias[2:] = 0.5, torch.tensor([-1.0, 2.0])
    plan, observation, time = inputs()
    x = plan.transpose(1, 2)
    hidden = torch.nn.functional.silu(1.5 * block.first(x) + torch.tensor([[-1.0], [2.0]]))
    expected = (block.second(hidden) + block.skip(x)).transpose(1, 2)
    torch.testing.assert_close(net.velocity(plan, observation, time), expected)


def test_the_time_is_embedded_as_in_the_policy_file() -> None:
    net, (plan, observation, time) = policy("cnn of one block"), inputs()
    asked = []
    net.network.blocks[0].register_forward_pre_hook(lambda _, given: asked.append(given[1]))
    net.velocity(plan, observation, time)
    torch.testing.assert_close(
        asked[0], torch.cat([observation, torch.from_numpy(embed(time[:, 0].numpy(), 2))], 1).float()
    )


def test_observations_are_normalized_but_for_what_hardly_varies() -> None:
    net, (plan, observation, time) = policy(), inputs()
    net.normalize(torch.tensor([1.0, -2.0, 3.0]), torch.tensor([2.0, 0.5, 1e-9]))
    plain = policy()
    expected = plain.velocity(
        plan, (observation - torch.tensor([1.0, -2.0, 3.0])) / torch.tensor([2.0, 0.5, 1.0]), time
    )
    torch.testing.assert_close(net.velocity(plan, observation, time), expected)


class Given(FlowPolicy):
    """A policy with a known velocity."""

    def __init__(self, law) -> None:
        super().__init__(KINDS["mlp"], **SIZES)
        self.law = law

    def velocity(self, plan, observation, time):
        return self.law(plan, observation, time)


def test_every_step_is_clipped() -> None:
    """There and back: unclipped the way would end where it began."""
    turn = Given(lambda plan, _, time: torch.where(time.unsqueeze(-1) < 0.5, 4.0, -4.0).expand_as(plan))
    start, observation, _ = inputs()
    start = 0.1 * start
    torch.testing.assert_close(turn.sample(start, observation, 2), torch.full_like(start, -1.0))
    outside = Given(lambda plan, *_: torch.zeros_like(plan)).sample(10.0 * start, observation, 1)
    assert outside.abs().max() == 1.0


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_a_straight_flow_lands_where_it_points(steps: int) -> None:
    start, observation, _ = inputs()
    target = torch.linspace(-0.9, 0.9, 10).reshape(5, 2)
    straight = Given(lambda plan, _, time: (target - plan) / (1.0 - time.unsqueeze(-1)))
    torch.testing.assert_close(straight.sample(start, observation, steps), target.expand(4, 5, 2))


def test_the_flow_is_asked_at_the_beginning_of_each_step_with_the_raw_observation() -> None:
    asked = []
    policy = Given(lambda plan, observation, time: asked.append((observation, time)) or torch.zeros_like(plan))
    start, observation, _ = inputs()
    policy.sample(start, observation, 4)
    assert [time[0].item() for _, time in asked] == [0.0, 0.25, 0.5, 0.75]
    assert all(found is observation and time.shape == (4, 1) for found, time in asked)
