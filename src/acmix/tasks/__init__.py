"""Tasks: each is one object that combines data, model, losses, metric and deployment."""

from acmix.tasks.base import TASKS, Task, get_task, task_of_network
from acmix.tasks.classification.task import ClassificationTask
from acmix.tasks.detection.task import DetectionTask
from acmix.tasks.prediction import Prediction
from acmix.tasks.segmentation.task import SegmentationTask

__all__ = [
    "TASKS",
    "ClassificationTask",
    "DetectionTask",
    "Prediction",
    "SegmentationTask",
    "Task",
    "get_task",
    "task_of_network",
]
