"""Evaluation counts every labelled sample once and leaves the network as it was."""

import numpy as np
import pytest
from engine_toy import Blobs, toy_task
from mindspore import Tensor

from acmix.engine import evaluate


def test_evaluation_equals_a_forward_pass_by_hand_without_padding(mode):
    task, data = toy_task(), Blobs(batches=3, padded=5)
    metric = evaluate(task, data)
    hits = count = 0
    task.model.set_train(False)
    for images, labels in data.epoch(0):
        predicted = task.model(Tensor(images)).asnumpy().argmax(axis=1)
        hits += int((predicted == labels)[labels >= 0].sum())
        count += int((labels >= 0).sum())
    assert count == 19
    assert metric.confusion.sum() == count
    assert metric.compute()["top1"] == pytest.approx(hits / count)


@pytest.mark.parametrize("training", [True, False])
def test_training_flag_and_statistics_are_left_alone(training):
    task = toy_task()
    task.train_network.set_train(training)
    before = {p.name: p.asnumpy().copy() for p in task.model.get_parameters()}
    evaluate(task, Blobs(batches=1))
    assert all(cell.training is training for _, cell in task.model.cells_and_names())
    for parameter in task.model.get_parameters():
        np.testing.assert_array_equal(parameter.asnumpy(), before[parameter.name])
