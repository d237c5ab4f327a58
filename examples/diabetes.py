"""Predicts the progression of diabetes within a year from ten measurements of 442 patients."""
import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

data = load_diabetes(scaled=False)
features = torch.tensor(data.data, dtype=torch.float32)
target = torch.tensor(data.target, dtype=torch.float32).unsqueeze(1)

order = torch.randperm(len(features))
train, validation = order[:354], order[354:]

# Scaled by the training rows alone, so that nothing of the validation rows leaks into training.
feature_mean, feature_std = features[train].mean(dim=0), features[train].std(dim=0)
target_mean, target_std = target[train].mean(), target[train].std()
x = (features - feature_mean) / feature_std
y = (target - target_mean) / target_std

model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
loss_function = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.9, weight_decay=1e-2)
loader = DataLoader(TensorDataset(x[train], y[train]), batch_size=32, shuffle=True)

for epoch in range(1, 21):
    model.train()
    total = 0.0
    for batch_x, batch_y in loader:
        optimizer.zero_grad()
        loss = loss_function(model(batch_x), batch_y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch_x)
    model.eval()
    with torch.no_grad():
        validation_loss = loss_function(model(x[validation]), y[validation]).item()
    print(f"epoch {epoch:2d}  train loss {total / len(train):.4f}  validation loss {validation_loss:.4f}")

with torch.no_grad():
    residual = ((model(x[validation]) - y[validation]) ** 2).sum()
    spread = ((y[validation] - y[validation].mean()) ** 2).sum()
print(f"R^2 on validation data: {(1 - residual / spread).item():.3f}")
