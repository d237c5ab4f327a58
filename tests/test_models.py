"""Whole models as one writes them: from the same seed the first loss and twenty steps of training are PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as fb

STEPS = 20


def resnet(torch):
    """ResNet-18 (He et al., arXiv 1512.03385), its channels divided by eight."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.downsample = None
            if stride != 1 or inputs != outputs:
                self.downsample = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x):
            identity = x if self.downsample is None else self.downsample(x)
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            out += identity
            return self.relu(out)

    class ResNet(nn.Module):
        def __init__(self, layers, width, classes):
            super().__init__()
            self.inputs = width
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            self.layers = nn.Sequential(
                *(self.stage(width * 2**i, count, 1 if i == 0 else 2) for i, count in enumerate(layers))
            )
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(width * 8, classes)
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                elif isinstance(m, nn.BatchNorm2d):
                    nn.init.constant_(m.weight, 1)
                    nn.init.constant_(m.bias, 0)

        def stage(self, outputs, count, stride):
            blocks = [Block(self.inputs, outputs, stride)]
            self.inputs = outputs
            blocks += [Block(outputs, outputs, 1) for _ in range(count - 1)]
            return nn.Sequential(*blocks)

        def forward(self, x):
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            return self.fc(torch.flatten(self.avgpool(self.layers(x)), 1))

    model = ResNet([2, 2, 2, 2], 8, 10)
    images, labels = torch.randn(8, 3, 32, 32), torch.randint(0, 10, (8,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    return model, optimizer, lambda: nn.functional.cross_entropy(model(images), labels)


def transformer(torch):
    """An encoder and a decoder that learn to turn sequences round; the labels are padded."""
    nn = torch.nn

    class Positions(nn.Module):
        def __init__(self, width, dropout):
            super().__init__()
            self.dropout = nn.Dropout(dropout)
            place = torch.arange(32).unsqueeze(1)
            rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
            table = torch.zeros(1, 32, width)
            table[0, :, 0::2] = torch.sin(place * rate)
            table[0, :, 1::2] = torch.cos(place * rate)
            self.register_buffer("table", table)

        def forward(self, x):
            return self.dropout(x + self.table[:, : x.size(1)])

    class Translator(nn.Module):
        def __init__(self, words=12, width=16):
            super().__init__()
            self.embed = nn.Embedding(words, width, padding_idx=0)
            self.positions = Positions(width, 0.1)
            self.transformer = nn.Transformer(width, 4, 2, 2, 32, 0.1, batch_first=True)
            self.head = nn.Linear(width, words)

        def forward(self, source, target):
            mask = nn.Transformer.generate_square_subsequent_mask(target.size(1))
            padding = torch.zeros(source.shape).masked_fill(source == 0, float("-inf"))
            out = self.transformer(
                self.positions(self.embed(source)),
                self.positions(self.embed(target)),
                tgt_mask=mask,
                src_key_padding_mask=padding,
                memory_key_padding_mask=padding,
            )
            return self.head(out)

    model = Translator()
    source = torch.randint(1, 12, (6, 9))
    source[0, 6:] = 0
    target = torch.flip(source, (1,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
    criterion = nn.CrossEntropyLoss(ignore_index=0, label_smoothing=0.1)

    def loss():
        out = model(source, target[:, :-1])
        return criterion(out.reshape(-1, out.size(-1)), target[:, 1:].reshape(-1))

    return model, optimizer, loss


def lstm(torch):
    """Two layers of LSTM in both directions over packed sequences, a class for each."""
    nn = torch.nn

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(20, 8)
            self.rnn = nn.LSTM(8, 12, num_layers=2, bidirectional=True, batch_first=True, dropout=0.2)
            self.head = nn.Linear(24, 3)

        def forward(self, words, lengths):
            x = nn.utils.rnn.pack_padded_sequence(self.embed(words), lengths, batch_first=True, enforce_sorted=False)
            x, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(x)[0], batch_first=True)
            return self.head(x.mean(1))

    model = Tagger()
    words, lengths, labels = torch.randint(0, 20, (8, 7)), torch.tensor([7, 3, 5, 7, 1, 2, 6, 4]), torch.arange(8) % 3
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def loss():
        found = nn.functional.cross_entropy(model(words, lengths), labels)
        return found

    return model, optimizer, loss


def trained(library, make, clip):
    """The losses of some steps of training, and the state at the end."""
    library.manual_seed(11)
    model, optimizer, loss = make(library)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        now = loss()
        now.backward()
        if clip:
            library.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(now.item())
    return losses, {name: np.asarray(t.detach().numpy()) for name, t in model.state_dict().items()}


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize(
    "make, clip", [(resnet, None), (transformer, 1.0), (lstm, 0.5)], ids=["resnet", "transformer", "lstm"]
)
def test_training_is_pytorchs(torch, make, clip):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected, theirs = trained(torch, make, clip)
    finally:
        torch.set_num_threads(threads)
    losses, ours = trained(fb, make, clip)
    assert losses[0] == pytest.approx(expected[0], rel=1e-5)
    assert losses == pytest.approx(expected, rel=1e-3)
    assert losses[-1] < losses[0]
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=1e-2, atol=5e-3, err_msg=name)
