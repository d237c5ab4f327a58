"""A network as an estimator of scikit-learn's, with skorch."""
import os
import pickle
import tempfile

import numpy as np
import torch
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Checkpoint, EarlyStopping, EpochScoring, LRScheduler
from torch import nn

X, y = make_classification(300, 20, n_informative=10, random_state=0)
X, y = X.astype(np.float32), y.astype(np.int64)


class Network(nn.Module):
    def __init__(self, units=10, nonlinear=nn.ReLU):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, units), nonlinear(), nn.Dropout(0.5), nn.Linear(units, 2))

    def forward(self, x, **rest):
        return self.body(x).softmax(dim=-1)


def rounded(history, name):
    return [round(value, 4) for value in history[:, name]]


torch.manual_seed(0)
net = NeuralNetClassifier(Network, max_epochs=4, lr=0.1, iterator_train__shuffle=True, verbose=0,
                          callbacks=[EarlyStopping(patience=20)])
net.fit(X, y)
print(net.predict_proba(X[:3]).round(3), net.predict(X[:8]), round(net.score(X, y), 3))
print(rounded(net.history, "train_loss"), rounded(net.history, "valid_loss"))

torch.manual_seed(0)
net = NeuralNetClassifier(Network, max_epochs=2, lr=0.1, verbose=0, train_split=False,
                          callbacks=[LRScheduler(policy="StepLR", step_size=2)])
search = GridSearchCV(net, {"lr": [0.01, 0.1], "module__units": [10, 20]}, refit=False, cv=2, scoring="accuracy")
search.fit(X, y)
print(search.best_params_, search.cv_results_["mean_test_score"].round(3))

torch.manual_seed(0)
with tempfile.TemporaryDirectory() as folder:
    checkpoint = Checkpoint(dirname=folder, monitor="valid_loss_best")
    net = NeuralNetClassifier(Network, max_epochs=3, lr=0.05, optimizer=torch.optim.Adam, verbose=0,
                              callbacks=[checkpoint, EpochScoring("roc_auc", lower_is_better=False)])
    pipeline = Pipeline([("scale", StandardScaler()), ("net", net)]).fit(X, y)
    net = pipeline["net"]
    print(rounded(net.history, "roc_auc"), sorted(os.listdir(folder)))
    again = NeuralNetClassifier(Network, optimizer=torch.optim.Adam).initialize()
    again.load_params(checkpoint=checkpoint)
    print((pickle.loads(pickle.dumps(net)).predict(X) == net.predict(X)).all(), again.predict(X[:6]))

torch.manual_seed(0)
X, y = make_regression(200, 20, random_state=1)
X, y = X.astype(np.float32), y.astype(np.float32)[:, None] / 100
model = nn.Sequential(nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 1))
regressor = NeuralNetRegressor(model, max_epochs=4, verbose=0, lr=0.02).fit(X, y)
print(rounded(regressor.history, "train_loss"), len(regressor.partial_fit(X, y).history))
