"""The tables that torchinfo makes of models."""
import torch
from torch import nn
from torchinfo import summary


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 10, kernel_size=5), nn.Conv2d(10, 20, kernel_size=5)
        self.drop = nn.Dropout2d(0.3)
        self.fc1, self.fc2 = nn.Linear(320, 50), nn.Linear(50, 10)

    def forward(self, x):
        x = nn.functional.relu(nn.functional.max_pool2d(self.conv1(x), 2))
        x = nn.functional.relu(nn.functional.max_pool2d(self.drop(self.conv2(x)), 2))
        return nn.functional.log_softmax(self.fc2(nn.functional.relu(self.fc1(x.view(-1, 320)))), dim=1)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 20)
        self.lstm = nn.LSTM(20, 32, num_layers=2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(64, 50)

    def forward(self, x):
        return self.out(self.lstm(self.embedding(x))[0])


columns = ("input_size", "output_size", "num_params", "kernel_size", "mult_adds", "trainable")
print(summary(Network(), input_size=(16, 1, 28, 28), col_names=columns, row_settings=("var_names", "depth"), verbose=0))
found = summary(Tagger(), input_size=(4, 12), dtypes=[torch.long], verbose=0)
print(found, found.total_params, found.total_mult_adds)
layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2)
print(summary(layers, input_data=torch.randn(2, 5, 16), device="cpu", verbose=0))
