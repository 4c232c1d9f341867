"""What is learned: a task joins a model, its loss and its metric."""

from acmix.tasks.classification import ClassificationMetric, ClassificationTask
from acmix.tasks.detection import DetectionMetric, DetectionTask

__all__ = [
    "ClassificationMetric",
    "ClassificationTask",
    "DetectionMetric",
    "DetectionTask",
]
