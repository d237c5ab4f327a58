"""Names told apart by a packed LSTM; a GRU whose state is carried on from one stretch of text to the next."""

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(1)
names = {
    "it": ["rossi", "bianchi", "ferrari", "esposito", "ricci"],
    "de": ["mueller", "schmidt", "fischer", "wagner", "weber"],
    "jp": ["tanaka", "suzuki", "sato", "yamamoto"],
}
letters = "abcdefghijklmnopqrstuvwxyz"
langs = list(names)


class Names(Dataset):
    def __init__(self):
        self.items = [(n, i) for i, l in enumerate(langs) for n in names[l]]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        n, l = self.items[i]
        return torch.tensor([letters.index(c) + 1 for c in n]), l


def collate(batch):
    batch.sort(key=lambda p: len(p[0]), reverse=True)
    xs, ys = zip(*batch)
    return pad_sequence(xs, batch_first=True), torch.tensor([len(x) for x in xs]), torch.tensor(ys)


class RNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(27, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 16, num_layers=2, batch_first=True, dropout=0.2, bidirectional=True)
        self.fc = nn.Linear(32, 3)

    def forward(self, x, lengths):
        p = pack_padded_sequence(self.emb(x), lengths, batch_first=True)
        o, (h, c) = self.lstm(p)
        o, l = pad_packed_sequence(o, batch_first=True)
        return self.fc(torch.cat([h[-2], h[-1]], 1)), o


m = RNN()
opt = torch.optim.Adam(m.parameters(), lr=0.01)
dl = DataLoader(Names(), batch_size=5, shuffle=True, collate_fn=collate)
ce = nn.CrossEntropyLoss()
print(m)
for ep in range(8):
    tot, ok = 0.0, 0
    for x, l, y in dl:
        opt.zero_grad()
        out, o = m(x, l)
        loss = ce(out, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(m.parameters(), 1)
        opt.step()
        tot += loss.item() * len(y)
        ok += (out.argmax(1) == y).sum().item()
    print(ep, round(tot / 14, 4), ok)
print(o.shape, o[0, -1].abs().sum())
# generation with GRU and hidden state kept (truncated bptt)
text = "the quick brown fox jumps over the lazy dog " * 8
v = sorted(set(text))
d = torch.tensor([v.index(c) for c in text])
gru = nn.GRU(len(v), 24, batch_first=True)
head = nn.Linear(24, len(v))
opt = torch.optim.RMSprop([*gru.parameters(), *head.parameters()], lr=5e-3)
h = None
for i in range(0, 320, 16):
    x = nn.functional.one_hot(d[i : i + 16], len(v)).float().unsqueeze(0)
    y = d[i + 1 : i + 17]
    if h is not None:
        h = h.detach()
    o, h = gru(x, h)
    loss = ce(head(o)[0], y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if i % 64 == 0:
        print(i, "%.4f" % loss)
h, c, s = None, d[0], ""
with torch.no_grad():
    for _ in range(30):
        o, h = gru(nn.functional.one_hot(c, len(v)).float()[None, None], h)
        c = torch.multinomial(head(o)[0, 0].softmax(0), 1)[0]
        s += v[c]
print(s)
