"""transformers: small models made from their configurations, trained, sampled from, saved and read back."""
import tempfile

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
)


def train(model, steps=4, **batch):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(steps):
        loss = model(**batch).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        print(type(model).__name__, step, f"{loss.item():.4f} {norm.item():.3f}")
    return model.eval()


def read_back(model, **batch):
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model.save_pretrained(folder)
        again = type(model).from_pretrained(folder).eval()
        print("read back", torch.equal(again(**batch).logits, model(**batch).logits))
        narrow = type(model).from_pretrained(folder, dtype=torch.bfloat16)
        print(narrow.dtype, next(narrow.parameters()).device)


torch.manual_seed(0)
small = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
x = torch.randint(3, 60, (4, 10))
mask = torch.ones_like(x)
mask[1, 6:] = 0
bert = BertForSequenceClassification(BertConfig(vocab_size=60, max_position_embeddings=32, num_labels=3, **small))
batch = dict(input_ids=x, attention_mask=mask)
train(bert, **batch, labels=torch.tensor([0, 1, 2, 1]))
read_back(bert, **batch)

ends = dict(bos_token_id=0, eos_token_id=1, pad_token_id=2)
for model in (GPT2LMHeadModel(GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=4, n_positions=64, **ends)),
              LlamaForCausalLM(LlamaConfig(vocab_size=60, num_key_value_heads=2, **small, **ends))):
    train(model, input_ids=x, labels=x)
    start = dict(input_ids=x[:2, :4], attention_mask=torch.ones(2, 4, dtype=torch.long), max_new_tokens=8)
    print(model.generate(**start, do_sample=False))
    torch.manual_seed(1)
    print(model.generate(**start, do_sample=True, temperature=0.9, top_k=20, top_p=0.95))
    print(model.generate(**start, num_beams=3, do_sample=False, repetition_penalty=1.3))
    read_back(model, input_ids=x)

t5 = T5ForConditionalGeneration(T5Config(vocab_size=60, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
                                         decoder_start_token_id=0))
train(t5, input_ids=x, labels=x[:, :6].contiguous())
print(t5.generate(x, max_new_tokens=6))

vit = ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, num_labels=4, **small))
pictures = torch.randn(3, 3, 32, 32)
train(vit, pixel_values=pictures, labels=torch.tensor([0, 1, 3]))
with torch.no_grad():
    out = vit(pictures, output_hidden_states=True)
print(out.logits, len(out.hidden_states))
