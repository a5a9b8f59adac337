"""Networks of trials: what seeds decide, what stacking leaves alone, what each shape is."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.study_parts import Kind, Model
from taskonomy_catalogue.tasks import Task, paper_dictionary
from taskonomy_catalogue.trials import Optimiser, SourceEncoder, Trial, TrialData, TrialTask
from taskonomy_jobs.data.inputs import tile_size
from taskonomy_jobs.model.networks import (
    TaskNetwork,
    TransferNetwork,
    create_network,
    create_source_encoder,
    images_seen,
    is_bounded,
)

TRAINED = [task for task in paper_dictionary() if task.is_trained]
TARGETS = [task for task in TRAINED if task.id != "jigsaw"]
KINDS: tuple[Kind, ...] = ("task-specific", "scratch", "transfer")
ONE_OF_EACH = ["normals", "segmentation-2d", "segmentation-semantic", "colorization"]
ONE_OF_EACH += ["egomotion", "scene-classes"]


def trial(
    kind: Kind,
    task: str,
    *,
    size: int = 64,
    order: int = 1,
    seed: int = 0,
    encoder: str = "resnet-tiny",
    decoder: str = "tiny",
    sources: str = "s",
) -> Trial:
    frozen = tuple(
        SourceEncoder(task=f"{sources}{i}", digest=f"{i}" * 64)
        for i in range(order if kind == "transfer" else 0)
    )
    return Trial(
        kind=kind,
        target=TrialTask.of(paper_dictionary()[task]),
        encoders=frozen,
        model=Model.model_validate({"encoder": encoder, "decoder": decoder, "imageSize": size}),
        optimiser=Optimiser(
            steps=1,
            batch_size=2,
            learning_rate=1e-3,
            weight_decay=0.0,
            lr_decay_step=0,
            lr_decay_factor=0.1,
            patience=0,
        ),
        data=TrialData(identity="rooms", layout="taskonomy", splits="rooms", fraction=1.0),
        seed=seed,
    )


def inputs(trial: Trial, examples: int = 2, seed: int = 0) -> Tensor:
    """Draw what a trial's network sees."""
    generator = torch.Generator().manual_seed(seed)
    size = trial.model.image_size
    shape = (examples, images_seen(trial.target), 3, size, size)
    if trial.kind == "transfer":
        shape = (examples, trial.target.images, 8 * trial.order, 16, 16)
    elif trial.target.id == "jigsaw":
        shape = (examples, 9, 3, tile_size(size), tile_size(size))
    return torch.randn(shape, generator=generator)


def shape_of_output(task: Task, size: int) -> tuple[int, ...]:
    output = task.output
    if output.kind in ("vector", "classes"):
        return (output.channels,)
    return (output.channels, size // output.stride, size // output.stride)


# --- shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_has_its_shape(kind: Kind) -> None:
    """At 64 px; encoders and decoders of other sizes meet at 16×16 cells, and are tested alone."""
    for task in TRAINED if kind != "transfer" else TARGETS:
        asked = trial(kind, task.id, order=2)
        with torch.no_grad():
            prediction = create_network(asked)(inputs(asked))
        assert prediction.shape == (2, *shape_of_output(task, 64)), task.id


@pytest.mark.slow
def test_real_values_come_out_as_on_paper() -> None:
    """One forward pass of the paper's own networks with weights, at its smallest."""
    asked = trial("task-specific", "reshading", size=32, encoder="resnet50", decoder="paper")
    prediction = create_network(asked).eval()(inputs(asked, examples=1))
    assert prediction.shape == (1, 1, 32, 32)
    assert bool((prediction.abs() <= 1).all())


def test_curvature_alone_is_not_bounded() -> None:
    unbounded = [task.id for task in TRAINED if not is_bounded(TrialTask.of(task))]
    assert [name for name in unbounded if "image" in paper_dictionary()[name].output.kind] == [
        "curvature"
    ]
    for name, least, most in [("curvature", 2.0, 1e9), ("depth", 0.5, 1.0)]:
        network = create_network(trial("transfer", name))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(3)
        prediction = network(inputs(trial("transfer", name)))
        assert least < prediction.abs().max() <= most


# --- seeds --------------------------------------------------------------------------------------


def same(one: nn.Module, other: nn.Module) -> bool:
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize(
    ("kind", "decoder"),
    [("task-specific", "tiny"), ("scratch", "tiny"), ("transfer", "tiny"), ("transfer", "paper")],
)
def test_first_weights_follow_from_the_seed_alone(kind: Kind, decoder: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = create_network(trial(kind, "pose-fixated", decoder=decoder, sources="a"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    again = create_network(trial(kind, "pose-fixated", decoder=decoder, sources="b"))
    assert same(first, again)
    other = create_network(trial(kind, "pose-fixated", decoder=decoder, seed=1))
    assert not same(first, other)


def test_random_projections_follow_from_their_seed() -> None:
    model = trial("task-specific", "depth").model

    def encoder(seed: int) -> nn.Module:
        source = SourceEncoder(task="random", digest="0" * 64, initial_seed=seed)
        return create_source_encoder(source, model)

    assert same(encoder(3), encoder(3))
    assert not same(encoder(3), encoder(4))
    assert not encoder(3).training
    assert not any(parameter.requires_grad for parameter in encoder(3).parameters())


def test_the_encoder_of_a_trained_source_takes_its_task_networks_weights() -> None:
    asked = trial("task-specific", "depth", seed=9)
    network = create_network(asked)
    assert isinstance(network, TaskNetwork)
    source = create_source_encoder(SourceEncoder(task="depth", digest="0" * 64), asked.model)
    source.load_state_dict(network.encoder.state_dict())
    images = inputs(asked)[:, 0]
    torch.testing.assert_close(source(images), network.encoder(images))


@pytest.mark.parametrize("encoder", ["resnet50", "resnet18", "resnet-tiny"])
def test_random_projections_tell_images_apart(encoder: str) -> None:
    source = SourceEncoder(task="random", digest="0" * 64, initial_seed=0)
    model = trial("task-specific", "depth", size=32, encoder=encoder).model
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    representations = create_source_encoder(source, model)(images)
    assert representations.shape == (4, 8, 16, 16)
    assert representations.isfinite().all()
    between_images = representations.std(0).mean()
    assert between_images > 0.1 * representations.std()


# --- transfers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", ["paper", "tiny"])
def test_capacity_grows_with_the_sources_by_the_first_layer_alone(decoder: str) -> None:
    with torch.device("meta"):
        one, two, scratch = (
            {name: tuple(p.shape) for name, p in create_network(asked).named_parameters()}
            for asked in (
                trial("transfer", "normals", order=1, decoder=decoder),
                trial("transfer", "normals", order=2, decoder=decoder),
                trial("scratch", "normals", decoder=decoder),
            )
        )
    first = {f"readout.towers.{tower}.0.0.weight" for tower in (0, 1)}
    assert one.keys() == two.keys() == scratch.keys()
    assert {name for name in one if one[name] != two[name]} == first
    assert {name for name in one if one[name] != scratch[name]} == first
    assert [sizes[next(iter(first))] for sizes in (one, two, scratch)] == [
        (8, 8, 3, 3),
        (8, 16, 3, 3),
        (8, 3 * 4 * 4, 3, 3),
    ]


class Keep(nn.Module):
    """Lets through and remembers what it saw."""

    def forward(self, features: Tensor) -> Tensor:
        self.seen = features
        return features


def test_representations_are_normalised_by_channel_and_clipped_at_five_deviations() -> None:
    keep = Keep()
    network = TransferNetwork(keep, nn.Identity(), 3)
    network.set_normalisation(torch.tensor([1.0, 0.0, 7.0]), torch.tensor([2.0, 0.5, 0.0]))
    values = torch.tensor([[5.0, 1.0, 8.5], [1e6, -1e6, 7.0]])  # the last channel never changed
    network(values.view(2, 1, 3, 1, 1).expand(2, 1, 3, 16, 16))
    assert keep.seen[:, :, 0, 0].tolist() == [[2.0, 2.0, 1.5], [5.0, -5.0, 0.0]]


def test_normalisation_is_part_of_a_networks_state() -> None:
    network = create_network(trial("transfer", "depth"))
    assert isinstance(network, TransferNetwork)
    network.set_normalisation(torch.arange(8.0), torch.arange(1.0, 9.0))
    state = network.state_dict()
    assert torch.equal(state["mean"], torch.arange(8.0))
    assert torch.equal(state["std"], torch.arange(1.0, 9.0))


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("task", ONE_OF_EACH)
def test_stacked_transfers_compute_what_each_does_alone(task: str, order: int) -> None:
    trials = [trial("transfer", task, order=order, seed=seed) for seed in range(3)]
    networks = [create_network(asked) for asked in trials]
    seen = torch.stack([inputs(asked, seed=i) for i, asked in enumerate(trials)])
    for index, network in enumerate(networks):
        assert isinstance(network, TransferNetwork)
        network.set_normalisation(torch.full((8 * order,), 0.1 * index), torch.ones(8 * order))
    alone = torch.stack([network(of) for network, of in zip(networks, seen, strict=True)])
    parameters, buffers = stack_module_state(networks)
    skeleton = copy.deepcopy(networks[0]).to("meta")
    stacked = vmap(lambda p, b, x: functional_call(skeleton, (p, b), (x,)))(
        parameters, buffers, seen
    )
    torch.testing.assert_close(stacked, alone, rtol=1e-4, atol=1e-5)
    stacked.square().sum().backward()
    for network, of in zip(networks, seen, strict=True):
        network(of).square().sum().backward()
    for name, parameter in parameters.items():
        gradients = torch.stack([dict(n.named_parameters())[name].grad for n in networks])  # type: ignore[misc]
        torch.testing.assert_close(parameter.grad, gradients, rtol=1e-3, atol=1e-4)


def test_the_jigsaw_is_no_target_of_transfers() -> None:
    with pytest.raises(SettingRefused, match="jigsaw can only be a source"):
        create_network(trial("transfer", "jigsaw"))


# --- examples and images ------------------------------------------------------------------------


TINY = [trial(kind, name) for kind in KINDS for name in ONE_OF_EACH]


@pytest.mark.parametrize("asked", TINY, ids=lambda t: t.title)
def test_an_example_is_predicted_as_it_is_alone(asked: Trial) -> None:
    """Also while training: shards of a batch, however many processes take it, add up to it."""
    network = create_network(asked)
    seen = inputs(asked, examples=3)
    alone = torch.cat([network(seen[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(seen), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("asked", TINY, ids=lambda t: t.title)
def test_every_weight_learns(asked: Trial) -> None:
    network = create_network(asked)
    prediction = network(inputs(asked))
    (prediction - torch.ones_like(prediction)).square().mean().backward()
    idle = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not bool(parameter.grad.any())
    ]
    assert idle == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_of_several_images_counts_at_its_place(kind: Kind) -> None:
    network = create_network(trial(kind, "egomotion"))
    seen = inputs(trial(kind, "egomotion"), examples=1)
    whole = network(seen)
    for image in range(3):
        changed = seen.clone()
        changed[:, image] = 0
        assert not torch.allclose(network(changed), whole)
    assert not torch.allclose(network(seen.flip(1)), whole)


def test_one_encoder_serves_all_images() -> None:
    network = create_network(trial("task-specific", "pose-fixated"))
    assert isinstance(network, TaskNetwork)
    keep = Keep()
    network.decoder = keep
    seen = inputs(trial("task-specific", "pose-fixated"))
    network(seen)
    torch.testing.assert_close(keep.seen[:, :8], network.encoder(seen[:, 0]))
    torch.testing.assert_close(keep.seen[:, 8:], network.encoder(seen[:, 1]))


def test_the_scratch_network_sees_every_pixel() -> None:
    network = create_network(trial("scratch", "depth"))
    seen = inputs(trial("scratch", "depth"), examples=1).requires_grad_()
    (gradient,) = torch.autograd.grad(network(seen).square().sum(), seen)
    assert bool((gradient != 0).all())
