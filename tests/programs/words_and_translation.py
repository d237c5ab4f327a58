"""A classifier of names, translation with attention, and word language models, as PyTorch's tutorials write them."""

import math
import random
import string
import unicodedata

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
random.seed(0)
all_letters = string.ascii_letters + " .,;'"
n_letters = len(all_letters)


def unicodeToAscii(s):
    return "".join(c for c in unicodedata.normalize("NFD", s) if unicodedata.category(c) != "Mn" and c in all_letters)


print(unicodeToAscii("Ślusàrski"))


def lineToTensor(line):
    t = torch.zeros(len(line), 1, n_letters)
    for place, letter in enumerate(line):
        t[place][0][all_letters.find(letter)] = 1
    return t


names = {"en": ["Smith", "Jones", "Brown"], "it": ["Rossi", "Bianchi", "Ricci"], "ru": ["Ivanov", "Petrov", "Popov"]}
cats = list(names)


class RNN(nn.Module):
    def __init__(self, i, h, o):
        super().__init__()
        self.hidden_size = h
        self.i2h = nn.Linear(i, h)
        self.h2h = nn.Linear(h, h)
        self.h2o = nn.Linear(h, o)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        hidden = F.tanh(self.i2h(input) + self.h2h(hidden))
        output = self.softmax(self.h2o(hidden))
        return output, hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = RNN(n_letters, 32, 3)
criterion = nn.NLLLoss()


def categoryFromOutput(output):
    top_n, top_i = output.topk(1)
    i = top_i[0].item()
    return cats[i], i


for it in range(12):
    c = random.choice(cats)
    line = random.choice(names[c])
    ct = torch.tensor([cats.index(c)], dtype=torch.long)
    lt = lineToTensor(line)
    hidden = rnn.initHidden()
    rnn.zero_grad()
    for i in range(lt.size()[0]):
        output, hidden = rnn(lt[i], hidden)
    loss = criterion(output, ct)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-0.005)
    if it % 4 == 0:
        print(line, categoryFromOutput(output), f"{loss.item():.4f}")


# seq2seq with attention
class EncoderRNN(nn.Module):
    def __init__(self, n, h, dropout_p=0.1):
        super().__init__()
        self.embedding = nn.Embedding(n, h)
        self.gru = nn.GRU(h, h, batch_first=True)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, input):
        return self.gru(self.dropout(self.embedding(input)))


class BahdanauAttention(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.Wa = nn.Linear(h, h)
        self.Ua = nn.Linear(h, h)
        self.Va = nn.Linear(h, 1)

    def forward(self, query, keys):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2).unsqueeze(1)
        weights = F.softmax(scores, dim=-1)
        return torch.bmm(weights, keys), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, h, o, dropout_p=0.1):
        super().__init__()
        self.embedding = nn.Embedding(o, h)
        self.attention = BahdanauAttention(h)
        self.gru = nn.GRU(2 * h, h, batch_first=True)
        self.out = nn.Linear(h, o)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, enc, hid, target=None):
        inp = torch.empty(enc.size(0), 1, dtype=torch.long).fill_(0)
        outs = []
        atts = []
        for i in range(6):
            e = self.dropout(self.embedding(inp))
            q = hid.permute(1, 0, 2)
            ctx, a = self.attention(q, enc)
            o, hid = self.gru(torch.cat((e, ctx), dim=2), hid)
            o = self.out(o)
            outs.append(o)
            atts.append(a)
            if target is not None:
                inp = target[:, i].unsqueeze(1)
            else:
                _, topi = o.topk(1)
                inp = topi.squeeze(-1).detach()
        return F.log_softmax(torch.cat(outs, dim=1), dim=-1), hid, torch.cat(atts, dim=1)


enc, dec = EncoderRNN(20, 16), AttnDecoderRNN(16, 22)
eo, do = torch.optim.Adam(enc.parameters(), lr=0.01), torch.optim.Adam(dec.parameters(), lr=0.01)
x, y = torch.randint(0, 20, (4, 6)), torch.randint(0, 22, (4, 6))
for _ in range(4):
    eo.zero_grad()
    do.zero_grad()
    e, h = enc(x)
    d, _, a = dec(e, h, y)
    loss = criterion(d.view(-1, d.size(-1)), y.view(-1))
    loss.backward()
    eo.step()
    do.step()
    print(f"{loss.item():.5f}")
enc.eval()
dec.eval()
with torch.no_grad():
    e, h = enc(x)
    d, _, a = dec(e, h)
    _, topi = d.topk(1)
    print(topi.squeeze()[0], a[0, 0])


# word language model
class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1, max_len=50):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len, dtype=torch.float).unsqueeze(1)
        div = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div)
        pe[:, 1::2] = torch.cos(position * div)
        self.register_buffer("pe", pe.unsqueeze(0).transpose(0, 1))

    def forward(self, x):
        return self.dropout(x + self.pe[: x.size(0), :])


class TransformerModel(nn.Transformer):
    def __init__(self, ntoken, ninp, nhead, nhid, nlayers, dropout=0.5):
        super().__init__(d_model=ninp, nhead=nhead, dim_feedforward=nhid, num_encoder_layers=nlayers)
        self.src_mask = None
        self.pos_encoder = PositionalEncoding(ninp, dropout)
        self.input_emb = nn.Embedding(ntoken, ninp)
        self.ninp = ninp
        self.decoder = nn.Linear(ninp, ntoken)
        self.init_weights()

    def init_weights(self):
        nn.init.uniform_(self.input_emb.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)

    def forward(self, src):
        if self.src_mask is None or self.src_mask.size(0) != len(src):
            self.src_mask = torch.log(torch.tril(torch.ones(len(src), len(src))))
        return F.log_softmax(
            self.decoder(
                self.encoder(self.pos_encoder(self.input_emb(src) * math.sqrt(self.ninp)), mask=self.src_mask)
            ),
            dim=-1,
        )


class RNNModel(nn.Module):
    def __init__(self, kind, n, ninp, nhid, nl):
        super().__init__()
        self.encoder = nn.Embedding(n, ninp)
        self.drop = nn.Dropout(0.2)
        self.kind, self.nhid, self.nl = kind, nhid, nl
        self.rnn = (
            getattr(nn, kind)(ninp, nhid, nl, dropout=0.2)
            if kind in ["LSTM", "GRU"]
            else nn.RNN(ninp, nhid, nl, nonlinearity="relu", dropout=0.2)
        )
        self.decoder = nn.Linear(nhid, n)
        self.decoder.weight = self.encoder.weight

    def forward(self, x, h):
        o, h = self.rnn(self.drop(self.encoder(x)), h)
        return F.log_softmax(self.decoder(self.drop(o)).view(-1, 30), dim=1), h

    def init_hidden(self, bsz):
        w = next(self.parameters())
        z = w.new_zeros(self.nl, bsz, self.nhid)
        return (z, w.new_zeros(self.nl, bsz, self.nhid)) if self.kind == "LSTM" else z


def repackage_hidden(h):
    return h.detach() if isinstance(h, torch.Tensor) else tuple(repackage_hidden(v) for v in h)


data = torch.randint(0, 30, (200,)).view(4, -1).t().contiguous()
for m in (
    TransformerModel(30, 16, 2, 32, 2),
    RNNModel("LSTM", 30, 16, 16, 2),
    RNNModel("GRU", 30, 16, 16, 2),
    RNNModel("RNN_RELU", 30, 16, 16, 2),
):
    h = m.init_hidden(4) if hasattr(m, "init_hidden") else None
    for i in range(0, 30, 10):
        m.train()
        m.zero_grad()
        s = data[i : i + 10]
        tg = data[i + 1 : i + 11].view(-1)
        if h is None:
            o = m(s).view(-1, 30)
        else:
            h = repackage_hidden(h)
            o, h = m(s, h)
        loss = F.nll_loss(o, tg)
        loss.backward()
        n = torch.nn.utils.clip_grad_norm_(m.parameters(), 0.25)
        for p in m.parameters():
            if p.grad is not None:
                p.data.add_(p.grad, alpha=-20)
        print(f"{loss.item():.4f} {n.item():.4f} {math.exp(loss.item()):8.2f}")
    print(sum(p.numel() for p in m.parameters()))
