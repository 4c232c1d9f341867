"""Two ranks: what they say to each other, train and evaluate together; nets with BatchNorm."""

import io
import os
import pickle
from pathlib import Path
from unittest import mock

import mindspore as ms
import numpy as np
import pytest
import together
from rehearsing import NO_COMPILER, NO_COMPILER_REASON

from acmix.engine.objective import VALIDATION_LOSS
from acmix.errors import UserError
from acmix.launch import Job, launch
from acmix.ops.random import ahead, random_state, uniform
from acmix.parallel import World
from acmix.parallel.all_reduce import buckets
from acmix.parallel.world import _CHUNK
from acmix.tools.rehearsal.rehearse import variables_of

msrun = pytest.mark.msrun


def same_metrics(found, expected):
    """Counts are exact; a loss is of weights that are alike but for the order of their sums."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if name == VALIDATION_LOSS:
            assert found[name] == pytest.approx(value, rel=1e-6)
        else:
            assert found[name] == value, name


@pytest.fixture(
    scope="module", params=["CPU", pytest.param("Ascend", marks=pytest.mark.exhaustive)]
)
def ranks(request, tmp_path_factory):
    """What the two ranks of together.py found: on CPU, and on stand-ins for Ascend."""
    device = request.param
    output = tmp_path_factory.mktemp("together")
    if device == "Ascend":
        if NO_COMPILER:
            pytest.skip(NO_COMPILER_REASON)
        variables = variables_of(tmp_path_factory.mktemp("recorded"))
    else:
        variables = dict(os.environ)
    console = io.StringIO()
    script = str(Path(together.__file__))
    with mock.patch.dict(os.environ, variables):
        code = launch(Job(device, 2), [script, str(output), device], output / "logs", console)
    assert code == 0, console.getvalue()
    # Written by ourselves a moment ago.
    return [pickle.loads((output / f"rank_{rank}.pickle").read_bytes()) for rank in (0, 1)]  # noqa: S301


@pytest.fixture(params=together.NETWORKS)
def kind(request, ranks):
    """Every network that the ranks train."""
    if request.param not in ranks[0]:
        pytest.skip("its loss knows nothing of the device")
    return request.param


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process makes of twice the batch."""
    ms.set_context(mode=ms.GRAPH_MODE)  # as tests have it, which begin later
    folder = tmp_path_factory.mktemp("alone")
    return {kind: together.train_in(folder / kind, kind, World()) for kind in together.NETWORKS}


@pytest.fixture(scope="module")
def said(ranks):
    return [found["conversations"] for found in ranks]


@msrun
def test_every_rank_knows_its_place(said):
    assert [found["place"] for found in said] == [(0, 2, True), (1, 2, False)]


@msrun
def test_sums_of_counts_beyond_float32_are_exact(said):
    expected = [2 * 2**32 + 1, 0, 2 * (2**24 + 1), 1]
    for found in said:
        np.testing.assert_array_equal(found["sum"], expected)


@msrun
def test_contents_of_different_lengths_arrive_whole_on_every_rank(said):
    for found in said:
        assert found["gather"] == [b"abc", b"x" * (3 + 2 * _CHUNK)]
        assert found["empty"] == [b"", b""]


@msrun
def test_values_and_parameters_are_those_of_the_first_rank(said):
    for found in said:
        assert found["share"] == {"rank": 0}
        np.testing.assert_array_equal(found["parameters"][0], np.full((3, 2), 0.1, np.float32))
        np.testing.assert_array_equal(found["parameters"][1], [7, -3])


@msrun
def test_random_states_start_from_one_and_differ(said):
    first, second = (found["parameters"][2] for found in said)
    np.testing.assert_array_equal(first, [11, 12, 13])
    np.testing.assert_array_equal(second, ahead(first, 2**32))
    assert (first != second).any()


@msrun
def test_means_have_the_shapes_of_their_tensors(said):
    for found in said:
        for i, (value, shape) in enumerate(zip(found["average"], [(2, 2), (), (3,)], strict=True)):
            np.testing.assert_array_equal(value, np.full(shape, i + 0.5, np.float32))


@msrun
def test_networks_may_have_hundreds_of_parameters(said):
    for found in said:
        assert found["many"] == [i + 0.5 for i in range(300)]


@msrun
def test_nan_of_one_rank_reaches_all(said):
    assert all(found["nonfinite"].all() for found in said)


@msrun
def test_ranks_that_differ_are_named_on_every_rank(said):
    for found in said:
        assert found["differs"] == "The thing of rank 1 is not that of rank 0; mend it."


@msrun
def test_two_ranks_train_like_one_with_twice_the_batch(ranks, alone, kind):
    # With BatchNorms that are not frozen each rank normalises with its own batch, and only
    # SyncBatchNorm, which MindSpore has on Ascend alone, would make the two equal.
    ms.set_seed(0)
    initial = {p.name: p.asnumpy() for p in together.network(kind).get_parameters()}
    for found in ranks:
        actual = found[kind]["weights"]
        moved = max(np.abs(actual[name] - value).max() for name, value in initial.items())
        assert moved > 1e-3, "the network has not learned"
        for name, value in alone[kind]["weights"].items():
            if name.endswith("random_state"):
                continue  # one rank alone draws twice as many numbers
            np.testing.assert_allclose(actual[name], value, rtol=0, atol=1e-5, err_msg=name)
    assert [record["step"] for record in ranks[0][kind]["log"]] == [2, 3]
    for record, expected in zip(ranks[0][kind]["log"], alone[kind]["log"], strict=True):
        for name in ("loss", "grad_norm", "lr", "step", "epoch", *alone[kind]["metrics"]):
            assert record[name] == pytest.approx(expected[name], rel=1e-4), name


@msrun
def test_synchronised_norms_train_like_one_with_twice_the_batch(ranks, tmp_path):
    if ranks[0]["device"] != "Ascend":
        pytest.skip("MindSpore synchronises BatchNorm on Ascend only")
    alone = together.synchronised(tmp_path, World())
    for found in ranks:
        actual = found["synchronised"]["weights"]
        for name, value in alone["weights"].items():
            # Running variances are without bias, for which CANN's operator takes the number of a
            # rank's own values: 512 of 1,024.
            rtol = 1 / 512 if name.endswith("moving_variance") else 0
            np.testing.assert_allclose(actual[name], value, rtol=rtol, atol=1e-4, err_msg=name)
    records = zip(ranks[0]["synchronised"]["log"], alone["log"], strict=True)
    assert all(record["loss"] == pytest.approx(one["loss"], rel=1e-4) for record, one in records)


@msrun
def test_two_ranks_count_the_pixels_of_one(ranks):
    expected = together.confusion(World())
    for found in ranks:
        np.testing.assert_array_equal(found["confusion"], expected)


@msrun
def test_a_run_of_two_ranks_goes_on_with_one(ranks, alone, tmp_path, caplog):
    """From inside an epoch, with the same global batch, to where one rank alone has come."""
    (checkpoint,) = ranks[0]["swin"]["saved"]
    assert checkpoint.name == "step_00000002.ckpt"
    with caplog.at_level("INFO"):
        resumed = together.train_in(tmp_path, "swin", World(), checkpoint)
    assert "made by 2 workers, now there are 1" in caplog.text
    assert [record["step"] for record in resumed["log"]] == [3]
    for name, value in alone["swin"]["weights"].items():
        np.testing.assert_allclose(resumed["weights"][name], value, rtol=0, atol=1e-5, err_msg=name)
    same_metrics(resumed["metrics"], alone["swin"]["metrics"])


@msrun
def test_classifiers_are_evaluated_to_the_last_sample_and_alike_on_all_ranks(ranks, alone, kind):
    # 355 images in batches of 50 on 2 ranks: the last batches are padded, to different lengths.
    first, second = (found[kind]["metrics"] for found in ranks)
    assert first == second
    same_metrics(first, alone[kind]["metrics"])


@msrun
def test_detections_are_evaluated_as_by_a_single_process(ranks):
    expected = together.detections(World())
    assert 0.05 < expected["bbox_mAP"] < 0.99, "choose noise that makes the result depend on it"
    assert [found["detections"] for found in ranks] == [expected, expected]


@msrun
def test_overflow_on_one_rank_leaves_the_step_out_on_all(ranks):
    first, second = (found["overflow"] for found in ranks)
    for found in (first, second):
        assert [finite for finite, _, _ in found["results"]] == [False, True]
        assert (found["scale"], found["step"]) == (2.0**9, 1)
    np.testing.assert_array_equal(first["weight"], second["weight"])
    assert (first["weight"] != 1).all()


@msrun
def test_losses_and_wishes_to_stop_are_those_of_all_ranks(ranks):
    # x is 1 on rank 0 and 2 on rank 1, y is 0 and the weights are 1: (3^2 + 6^2) / 2.
    for found in ranks:
        _, loss, stop = found["overflow"]["results"][1]
        assert loss == pytest.approx(22.5)
        assert stop == 0.5


@msrun
def test_signal_to_one_rank_stops_all_after_the_same_step(ranks):
    first, second = (found["stopped"] for found in ranks)
    assert first["step"] == second["step"] == 3  # asked in the second, known after the third
    assert (first["by"], second["by"]) == ("a signal to another rank", "SIGTERM")
    # Each saw images of its own: the trainer had weights and running statistics averaged.
    np.testing.assert_array_equal(first["weight"], second["weight"])
    np.testing.assert_array_equal(first["mean"], second["mean"])


@msrun
def test_signal_to_one_rank_stops_the_evaluation_of_all_with_the_epoch_saved(ranks):
    first, second = (found["stopped in evaluation"] for found in ranks)
    assert first["batches"] == second["batches"] > 2
    assert (first["by"], second["by"]) == ("a signal to another rank", "SIGTERM")
    for found in (first, second):
        assert (found["step"], found["concluded"]) == (2, False)


@msrun
def test_running_statistics_are_averaged_and_survive_a_step_that_is_left_out(ranks):
    for found in ranks:
        np.testing.assert_allclose(found["statistics"], [1.5, 1.5], rtol=1e-6)


def test_a_single_process_talks_to_itself():
    world = World()
    world.barrier()
    world.check_equal("Anything", [b"x"], "cannot happen")
    assert world.gather(b"x") == [b"x"]
    assert world.broadcast({"a": 1}) == {"a": 1}
    assert world.all_reduce_mean is None
    np.testing.assert_array_equal(world.all_reduce(np.array([1, 2])), [1, 2])


def test_buckets_hold_at_least_so_many_numbers_and_the_rest():
    shapes = ((2, 2), (), (3,), (10,), (1,))
    assert buckets(shapes, 5) == ((0, 2, (4, 1)), (2, 4, (3, 10)), (4, 5, (1,)))
    assert buckets(((4,),), 100) == ((0, 1, (4,)),)
    assert [stop - start for start, stop, _ in buckets(((),) * 150, 1000)] == [64, 64, 22]


def test_counts_that_would_not_be_exact_are_refused():
    with pytest.raises(UserError, match="over 2 devices must lie in 0"):
        World(0, 2).all_reduce(np.array([2**36]))


@pytest.mark.parametrize("count", [0, 1, 7, 2**32])
def test_state_moved_ahead_is_the_state_after_drawing(count):
    from mindspore import Tensor

    start = random_state(3)
    state = Tensor(start)
    for _ in range(count if count < 10 else 0):
        _, state = uniform(state, 1)
    if count < 10:
        np.testing.assert_array_equal(ahead(start, count), state.asnumpy())
    else:  # in two strides
        np.testing.assert_array_equal(ahead(start, count), ahead(ahead(start, count - 5), 5))
