"""Sequences reversed by a decoder with attention, and by nn.Transformer with masks."""

import math
import random

import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(0)
torch.manual_seed(0)


class Encoder(nn.Module):
    def __init__(self, V, H):
        super().__init__()
        self.embedding = nn.Embedding(V, H)
        self.gru = nn.GRU(H, H, batch_first=True)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        return self.gru(self.dropout(self.embedding(x)))


class Bahdanau(nn.Module):
    def __init__(self, H):
        super().__init__()
        self.Wa = nn.Linear(H, H)
        self.Ua = nn.Linear(H, H)
        self.Va = nn.Linear(H, 1)

    def forward(self, q, k):
        s = self.Va(torch.tanh(self.Wa(q) + self.Ua(k))).squeeze(2).unsqueeze(1)
        w = F.softmax(s, dim=-1)
        return torch.bmm(w, k), w


class Decoder(nn.Module):
    def __init__(self, H, V):
        super().__init__()
        self.embedding = nn.Embedding(V, H)
        self.attention = Bahdanau(H)
        self.gru = nn.GRU(2 * H, H, batch_first=True)
        self.out = nn.Linear(H, V)

    def forward(self, eo, eh, target=None, n=7):
        x = torch.empty(eo.size(0), 1, dtype=torch.long).fill_(0)
        h = eh
        outs, atts = [], []
        for i in range(n):
            e = self.embedding(x)
            q = h.permute(1, 0, 2)
            c, w = self.attention(q, eo)
            o, h = self.gru(torch.cat((e, c), dim=2), h)
            o = self.out(o)
            outs.append(o)
            atts.append(w)
            if target is not None:
                x = target[:, i].unsqueeze(1)
            else:
                _, topi = o.topk(1)
                x = topi.squeeze(-1).detach()
        return F.log_softmax(torch.cat(outs, 1), dim=-1), h, torch.cat(atts, 1)


V, H = 12, 24
enc, dec = Encoder(V, H), Decoder(H, V)
eo_, do_ = torch.optim.Adam(enc.parameters(), lr=1e-2), torch.optim.Adam(dec.parameters(), lr=1e-2)
crit = nn.NLLLoss()
x = torch.randint(1, V, (64, 7))
y = x.flip(1)
for it in range(30):
    b = torch.randperm(64)[:16]
    o, h = enc(x[b])
    teacher = random.random() < 0.5
    out, _, att = dec(o, h, y[b] if teacher else None)
    loss = crit(out.view(-1, V), y[b].reshape(-1))
    eo_.zero_grad()
    do_.zero_grad()
    loss.backward()
    eo_.step()
    do_.step()
    if it % 5 == 0:
        print(it, teacher, "%.4f" % loss.item())
with torch.no_grad():
    enc.eval()
    o, h = enc(x[:2])
    out, _, att = dec(o, h)
    print(out.argmax(-1), att.shape, att.sum(-1)[0])


# transformer with masks and positional encoding
class PE(nn.Module):
    def __init__(self, d, n=50):
        super().__init__()
        p = torch.arange(n).unsqueeze(1)
        t = torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
        pe = torch.zeros(n, 1, d)
        pe[:, 0, 0::2] = torch.sin(p * t)
        pe[:, 0, 1::2] = torch.cos(p * t)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[: x.size(0)]


tr = nn.Transformer(16, 2, 2, 2, 32, dropout=0.1)
emb, pe, gen = nn.Embedding(V, 16), PE(16), nn.Linear(16, V)
ps = [p for m in (tr, emb, gen) for p in m.parameters()]
for p in tr.parameters():
    if p.dim() > 1:
        nn.init.xavier_uniform_(p)
opt = torch.optim.Adam(ps, lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
src, tgt = x[:16].T, torch.cat([torch.zeros(1, 16, dtype=torch.long), y[:16].T])
mask = nn.Transformer.generate_square_subsequent_mask(7)
pad = torch.zeros(16, 7, dtype=torch.bool)
pad[:, -1] = True
for it in range(6):
    o = gen(
        tr(
            pe(emb(src) * 4),
            pe(emb(tgt[:-1]) * 4),
            tgt_mask=mask,
            src_key_padding_mask=pad,
            memory_key_padding_mask=pad,
        )
    )
    l = F.cross_entropy(o.reshape(-1, V), tgt[1:].reshape(-1), label_smoothing=0.1)
    opt.zero_grad()
    l.backward()
    opt.step()
    print(it, "%.4f" % l.item())
