"""Metrics over batches, with torchmetrics."""
import pickle

import torch
from torchmetrics import MeanMetric, MeanSquaredError, MetricCollection, R2Score
from torchmetrics.classification import (
    BinaryAUROC,
    BinaryAveragePrecision,
    MulticlassAccuracy,
    MulticlassAUROC,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
)

torch.manual_seed(0)
classes = 4
metrics = MetricCollection({
    "accuracy": MulticlassAccuracy(classes), "top2": MulticlassAccuracy(classes, top_k=2),
    "f1": MulticlassF1Score(classes), "auroc": MulticlassAUROC(classes),
    "precision": MulticlassPrecision(classes, average=None), "confusion": MulticlassConfusionMatrix(classes),
})
mean, area, precision = MeanMetric(), BinaryAUROC(), BinaryAveragePrecision()
error, fit = MeanSquaredError(), R2Score()
for step in range(4):
    scores, target = torch.randn(32, classes), torch.randint(classes, (32,))
    now = metrics(scores.softmax(-1), target)
    mean.update(torch.nn.functional.cross_entropy(scores, target), weight=32)
    chance = torch.rand(32)
    truth = (chance + 0.5 * torch.randn(32) > 0.5).long()
    area.update(chance, truth)
    precision.update(chance, truth)
    error.update(scores[:, 0], scores[:, 1])
    fit.update(scores[:, 0], scores[:, 0] + 0.1 * scores[:, 1])
    print(step, f"{now['accuracy'].item():.4f} {now['auroc'].item():.4f}")
for name, value in metrics.compute().items():
    print(name, value)
print(mean.compute(), area.compute(), precision.compute(), error.compute(), fit.compute())
print(metrics)
print(pickle.loads(pickle.dumps(area)).compute())
metrics.reset()
try:
    metrics["accuracy"](torch.randn(3, classes), torch.tensor([0, 1, 9]))
except RuntimeError as problem:
    print(problem)
