"""Cross entropy and accuracies against NumPy and by hand."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from acmix.config import load_config
from acmix.engine.precision import apply_mixed_precision
from acmix.errors import UserError
from acmix.tasks import get_task
from acmix.tasks.classification.metric import ClassificationMetric
from acmix.tasks.classification.objective import ClassificationLoss, ClassificationObjective


def smoothed_cross_entropy(logits, labels, smoothing):
    logits = logits.astype(np.float64)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    classes = logits.shape[1]
    losses = []
    for row, label in zip(log_probabilities, labels, strict=True):
        if label >= 0:
            target = np.full(classes, smoothing / classes)
            target[label] += 1 - smoothing
            losses.append(-(target * row).sum())
    return np.mean(losses)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_the_smoothed_cross_entropy_of_the_labelled_samples(mode, rng, smoothing):
    logits = rng.normal(size=(5, 4)).astype(np.float32)
    labels = np.array([0, 3, -1, 2, -1], np.int32)
    (loss,) = ClassificationLoss(nn.Identity(), smoothing)(Tensor(logits), Tensor(labels))
    assert loss.shape == ()
    assert float(loss) == pytest.approx(smoothed_cross_entropy(logits, labels, smoothing), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradient_is_the_difference_of_probabilities(mode, rng, smoothing):
    """Of large logits too, where a probability is 0 in float32."""
    logits = rng.normal(size=(4, 3)).astype(np.float32)
    logits[0], labels = [900, -900, 0], np.array([1, 2, -1, 0], np.int32)
    network = ClassificationLoss(nn.Identity(), smoothing)

    def first(x, y):
        return network(x, y)[0]

    loss, gradient = ms.value_and_grad(first)(Tensor(logits), Tensor(labels))
    powers = np.exp(logits - logits.max(1, keepdims=True).astype(np.float64))
    targets = np.eye(3)[labels] * (1 - smoothing) + smoothing / 3
    expected = (powers / powers.sum(1, keepdims=True) - targets) * (labels >= 0)[:, None] / 3
    np.testing.assert_allclose(gradient.asnumpy(), expected, atol=1e-7)
    assert float(loss) > 1700 / 3


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_of_soft_labels_is_their_mix_of_the_losses_of_the_classes(mode, rng, smoothing):
    logits = rng.normal(size=(3, 4)).astype(np.float32)
    first, second, own = [0, 3, 2], [1, 0, 2], 0.7
    soft = (own * np.eye(4)[first] + (1 - own) * np.eye(4)[second]).astype(np.float32)
    (loss,) = ClassificationLoss(nn.Identity(), smoothing)(Tensor(logits), Tensor(soft))
    of_first, of_second = (
        smoothed_cross_entropy(logits, labels, smoothing) for labels in (first, second)
    )
    assert loss.shape == ()
    assert float(loss) == pytest.approx(own * of_first + (1 - own) * of_second, rel=1e-5)


def test_soft_labels_of_fewer_classes_than_the_model_has_are_filled_up(mode, rng):
    logits = rng.normal(size=(2, 5)).astype(np.float32)
    soft = np.array([[0.25, 0.75, 0], [0, 0, 1]], np.float32)
    network = ClassificationLoss(nn.Identity(), 0.1)
    (loss,) = network(Tensor(logits), Tensor(soft))
    (padded,) = network(Tensor(logits), Tensor(np.pad(soft, ((0, 0), (0, 2)))))
    assert float(loss) == pytest.approx(float(padded), rel=1e-6)


def test_soft_labels_have_the_gradient_softmax_minus_target(rng):
    logits = rng.normal(size=(2, 3)).astype(np.float32)
    soft = np.array([[0.25, 0.75, 0], [0, 0.5, 0.5]], np.float32)
    network = ClassificationLoss(nn.Identity())

    def loss(logits):
        return network(logits, Tensor(soft))[0]

    gradient = ms.grad(loss)(Tensor(logits)).asnumpy()
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, (softmax - soft) / 2, atol=1e-6)


def test_padded_samples_get_no_gradient_and_the_others_softmax_minus_target(rng):
    logits = rng.normal(size=(3, 4)).astype(np.float32)
    labels = Tensor(np.array([1, -1, 2], np.int32))
    network = ClassificationLoss(nn.Identity())

    def loss(logits):
        return network(logits, labels)[0]

    gradient = ms.grad(loss)(Tensor(logits)).asnumpy()
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = (softmax - np.eye(4)[[1, 0, 2]]) / 2
    expected[1] = 0
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_batch_of_padding_only_has_loss_zero(rng):
    logits = Tensor(rng.normal(size=(2, 4)), ms.float32)
    (loss,) = ClassificationLoss(nn.Identity())(logits, Tensor(np.array([-1, -1], np.int32)))
    assert float(loss) == 0.0


def test_loss_of_half_precision_logits_is_computed_in_float32():
    logits = Tensor(np.array([[12.0, 0.0]]), ms.float16)
    (loss,) = ClassificationLoss(nn.Identity())(logits, Tensor(np.array([0], np.int32)))
    assert loss.dtype == ms.float32
    # Below float16's smallest distance from 1, hence 0 if the softmax were half precision.
    assert float(loss) == pytest.approx(np.log1p(np.exp(-12.0)), rel=0.1)


@pytest.mark.parametrize("labels", [np.array([0], np.int32), np.array([[1, 0]], np.float32)])
def test_loss_stays_in_float32_under_mixed_precision(labels, mode):
    network = apply_mixed_precision(ClassificationLoss(nn.Identity()), "O2")
    (loss,) = network(Tensor(np.array([[12, 0]], np.float32)), Tensor(labels))
    # 0 if the softmax, and 1 + exp(-12) with it, were half precision.
    assert float(loss) == pytest.approx(np.log1p(np.exp(-12.0)), rel=0.1)


def test_networks_do_not_prefix_the_models_parameter_names():
    task = ClassificationObjective(nn.Dense(3, 2), num_classes=2)
    assert [p.name for p in task.train_network.get_parameters()] == ["weight", "bias"]
    assert [p.name for p in task.eval_network.get_parameters()] == ["weight", "bias"]


def test_top1_and_top5_over_batches_leave_padding_out():
    metric = ClassificationMetric(7)
    ascending = np.tile(np.arange(7, dtype=np.float32), (4, 1))
    metric.update(ascending[:3], np.array([6, 2, 1]))  # hit, fifth, sixth
    metric.update(ascending[:2], np.array([5, -1]))  # second, padding
    found = metric.compute()
    assert (found["top1"], found["top5"]) == (1 / 4, 3 / 4)
    # MindSpore's own cross entropy of the four samples.
    entropy = ops.cross_entropy(Tensor(ascending), Tensor(np.array([6, 2, 1, 5], np.int32)))
    assert found["val_loss"] == pytest.approx(float(entropy), rel=1e-5)


def test_validation_loss_of_large_logits_is_finite():
    metric = ClassificationMetric(2)
    metric.update(np.array([[3e4, 0], [0, 3e4]], np.float16), np.array([0, 0]))
    assert metric.compute()["val_loss"] == pytest.approx(3e4 / 2, rel=1e-3)


def test_top5_of_three_classes_is_always_one(rng):
    metric = ClassificationMetric(3)
    metric.update(rng.normal(size=(9, 3)), rng.integers(0, 3, 9))
    assert metric.compute()["top5"] == 1.0


def test_confusion_matrix_has_true_rows_and_predicted_columns():
    metric = ClassificationMetric(3)
    metric.update(np.eye(3)[[0, 1, 1, 2]], np.array([0, 1, 0, 1]))
    assert metric.confusion.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]


def test_per_class_accuracy_is_nan_for_a_class_without_samples():
    metric = ClassificationMetric(3)
    metric.update(np.eye(3)[[0, 1, 1]], np.array([0, 1, 0]))
    np.testing.assert_array_equal(metric.per_class(), [0.5, 1.0, np.nan])


def test_logits_that_are_not_finite_are_refused_unless_padded():
    metric = ClassificationMetric(2)
    metric.update(np.array([[0.0, 1.0], [np.nan, np.nan]]), np.array([1, -1]))
    with pytest.raises(UserError, match="NaN or Inf"):
        metric.update(np.array([[np.nan, 1.0]]), np.array([1]))


def test_label_beyond_the_classes_is_named():
    with pytest.raises(UserError, match=r"range over 0\.\.4, but the model has 3 classes"):
        ClassificationMetric(3).update(np.zeros((2, 3)), np.array([0, 4]))


def test_metric_of_nothing_is_refused():
    with pytest.raises(UserError, match="no labelled sample"):
        ClassificationMetric(3).compute()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "num_classes must be at least 2, got 1"),
        ({"num_classes": 2, "label_smoothing": 1.0}, "label_smoothing must be in"),
    ],
)
def test_impossible_arguments_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        ClassificationObjective(nn.Identity(), **arguments)


def test_a_folder_of_one_class_is_told_as_what_it_is():
    task = get_task("classification")
    config = load_config(None, ["data.root=photos", "model.name=acmix_resnet26"])
    with pytest.raises(UserError, match=r"data\.root=photos holds one class; a classifier needs"):
        task.build_model(config, 1)
