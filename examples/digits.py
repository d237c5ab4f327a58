"""Learns to read handwritten digits: 1,797 pictures of 8 by 8 pixels from scikit-learn."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32) / 16
labels = torch.tensor(digits.target, dtype=torch.int64)
train_set, held_out = random_split(TensorDataset(images, labels), [1437, 360])
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
held_out_loader = DataLoader(held_out, batch_size=120)

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(64, 10),
)
loss_function = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


def accuracy(loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in loader:
            correct += (model(x).argmax(dim=1) == y).sum().item()
    return correct / len(loader.dataset)


print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
for epoch in range(1, 16):
    model.train()
    total = 0.0
    for x, y in train_loader:
        loss = loss_function(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    print(f"epoch {epoch:2d}  loss {total / len(train_set):.4f}  held-out accuracy {accuracy(held_out_loader):.1%}")
