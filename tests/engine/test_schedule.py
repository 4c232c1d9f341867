"""Learning rates against closed forms."""

import numpy as np
import pytest

from acmix.config import Config, ScheduleConfig
from acmix.engine.schedule import configured_learning_rates, learning_rates


def test_cosine_starts_at_the_base_is_half_way_in_the_middle_and_ends_near_the_minimum():
    rates = learning_rates(ScheduleConfig(name="cosine", min_lr=0.2), 1.0, 100, 10)
    assert rates.shape == (100,)
    assert rates[0] == 1.0
    assert rates[50] == pytest.approx(0.6)
    assert rates[25] == pytest.approx(0.2 + 0.8 * (1 + np.sqrt(0.5)) / 2)
    assert rates[-1] == pytest.approx(0.2 + 0.8 * (1 + np.cos(np.pi * 0.99)) / 2)
    assert (np.diff(rates) < 0).all()


def test_warmup_of_a_fraction_of_an_epoch_rises_linearly_to_the_base():
    schedule = ScheduleConfig(name="constant", warmup_epochs=0.5, warmup_lr=0.1)
    rates = learning_rates(schedule, 0.5, 16, 8)
    np.testing.assert_allclose(rates[:5], [0.1, 0.2, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(rates[5:], 0.5)


def test_cosine_after_warmup_spans_the_remaining_steps():
    with_warmup = learning_rates(ScheduleConfig(name="cosine", warmup_epochs=3), 1.0, 70, 7)
    without = learning_rates(ScheduleConfig(name="cosine"), 1.0, 49, 7)
    np.testing.assert_allclose(with_warmup[21:], without)


def test_step_falls_at_the_first_step_of_each_milestone_but_not_below_the_minimum():
    schedule = ScheduleConfig(name="step", milestones=(2, 3, 4), gamma=0.1, min_lr=0.005)
    rates = learning_rates(schedule, 1.0, 10, 2)
    np.testing.assert_allclose(rates, [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.005, 0.005])


def test_warmup_as_long_as_the_training_never_reaches_the_base():
    rates = learning_rates(ScheduleConfig(name="cosine", warmup_epochs=2), 1.0, 4, 2)
    np.testing.assert_allclose(rates, [0, 0.25, 0.5, 0.75])


def test_warmup_in_steps_does_not_depend_on_the_length_of_an_epoch():
    schedule = ScheduleConfig(name="step", milestones=(2,), warmup_steps=4, warmup_lr=0.0)
    for steps_per_epoch in (3, 8):
        rates = learning_rates(schedule, 1.0, 3 * steps_per_epoch, steps_per_epoch)
        np.testing.assert_allclose(rates[:5], [0, 0.25, 0.5, 0.75, 1])
        np.testing.assert_allclose(rates[2 * steps_per_epoch :], 0.1)


def mmcv1(step, total, base, least, power, warmup, ratio):
    """The rate of a step by mmcv 1's hook for poly, with its linear warm-up, by iterations."""
    coefficient = (1 - step / total) ** power
    regular = (base - least) * coefficient + least
    if step >= warmup:
        return regular
    k = (1 - step / warmup) * (1 - ratio)
    return regular * (1 - k)


@pytest.mark.parametrize(
    ("total", "base", "least", "power", "warmup", "first"),
    [
        (160, 6e-5, 0.0, 1.0, 15, 6e-11),  # Swin's recipe, shortened
        (40, 2e-4, 0.0, 0.9, 0, 0.0),  # PVT's
        (30, 0.1, 0.02, 2.0, 7, 0.01),
        (10, 0.5, 0.5, 1.0, 10, 0.0),
    ],
)
def test_poly_is_that_of_mmcv_1_with_its_warmup(total, base, least, power, warmup, first):
    schedule = ScheduleConfig(
        name="poly", min_lr=least, power=power, warmup_steps=warmup, warmup_lr=first
    )
    expected = [mmcv1(t, total, base, least, power, warmup, first / base) for t in range(total)]
    np.testing.assert_allclose(learning_rates(schedule, base, total, 4), expected, rtol=1e-9)


@pytest.mark.parametrize(("length", "total"), [({"steps": 11}, 11), ({"epochs": 3}, 12)])
def test_schedule_has_the_length_of_the_run_in_its_unit(length, total):
    schedule = {"name": "cosine", "warmup_epochs": 0.5}
    config = Config.from_dict({"schedule": schedule, "train": length, "optim": {"lr": 1.0}})
    rates = configured_learning_rates(config, steps_per_epoch=4, workers=1)
    assert len(rates) == total
    np.testing.assert_allclose(rates[:3], [0, 0.5, 1])
    assert rates[-1] == pytest.approx((1 + np.cos(np.pi * (1 - 1 / (total - 2)))) / 2)


def test_milestones_of_step_are_epochs_whatever_the_unit_of_the_run():
    schedule = {"name": "step", "milestones": [1, 2]}
    config = Config.from_dict({"schedule": schedule, "train": {"steps": 7}, "optim": {"lr": 1.0}})
    rates = configured_learning_rates(config, steps_per_epoch=3, workers=1)
    np.testing.assert_allclose(rates, [1, 1, 1, 0.1, 0.1, 0.1, 0.01])


@pytest.mark.parametrize("name", ["cosine", "poly"])
@pytest.mark.parametrize(
    ("warmup", "length"),
    [
        ({"warmup_epochs": 3.0}, {"epochs": 1}),
        ({"warmup_epochs": 3.0}, {"steps": 4}),
        ({"warmup_steps": 9}, {"epochs": 1}),
    ],
)
def test_a_warmup_longer_than_the_run_ends_with_it_and_says_so(name, warmup, length, caplog):
    tree = {"schedule": {"name": name, **warmup}, "train": length, "optim": {"lr": 1.0}}
    rates = configured_learning_rates(Config.from_dict(tree), steps_per_epoch=4, workers=1)
    left = 1 - np.arange(4) / 4 if name == "poly" else 1
    np.testing.assert_allclose(rates, np.arange(4) / 4 * left, atol=1e-12)
    assert "is longer than the run of 4: it ends with the run" in caplog.text
    configured_learning_rates(Config.from_dict(tree | {"train": {"epochs": 3}}), 4, 1)
    assert caplog.text.count("is longer than") == 1
