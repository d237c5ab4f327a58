"""The training loop that accelerate's users write, on the processor."""
import os
import tempfile

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

set_seed(0)
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
x = torch.randn(64, 5)
y = (x.sum(1, keepdim=True) > 0).float()
model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
print(accelerator.device, accelerator.num_processes, accelerator.is_main_process, type(optimizer).__name__)
for epoch in range(3):
    total = 0.0
    for inputs, labels in loader:
        with accelerator.accumulate(model):
            loss = nn.functional.binary_cross_entropy_with_logits(model(inputs), labels)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        total += loss.item()
    accelerator.print(epoch, round(total / len(loader), 4), scheduler.get_last_lr())
print(accelerator.gather_for_metrics((model(x) > 0).float()).eq(y).float().mean())
folder = tempfile.mkdtemp()
accelerator.save_state(folder)
print(sorted(os.listdir(folder)))
before = [p.clone() for p in model.parameters()]
with torch.no_grad():
    for p in model.parameters():
        p.add_(1)
accelerator.load_state(folder)
print([torch.equal(p, before[i]) for i, p in enumerate(model.parameters())])
print(type(accelerator.unwrap_model(model)).__name__)
accelerator.end_training()
