"""Writes transformers' numbers for all-MiniLM-L6-v2: sentence embeddings in f32 and from f16 weights, and ten CondLoRA steps.

    python reference.py MODEL OUT

MODEL is the model's folder. OUT gets f16/ (the model, its weights rounded to f16), reference.json (sentences, token ids,
batches, losses and gradient norms), expected.safetensors (embeddings; Θ, classifier and logits after ten steps) and
start.safetensors (the initial Θ and classifier). Needs torch, transformers, safetensors.

CondLoRA: code form (A = Θa·Wᵀ, B = W·Θbᵀ, one pair for all query and one for all value layers), r = alpha = 8, the
classifier of BertForSequenceClassification trained, the pooler not. AdamW lr 2e-3 constant, no decay, clip 1.0, dropout 0.
"""
import json, os, shutil, sys
import torch, torch.nn as nn, torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertForSequenceClassification, BertModel

model_dir, out = sys.argv[1:3]
os.makedirs(out + "/f16", exist_ok=True)
tokenizer = AutoTokenizer.from_pretrained(model_dir)

sentences = [
    "The cat sits on the warm windowsill.", "A kitten is resting by the window in the sun.",
    "Interest rates rose by a quarter point on Tuesday.", "The central bank made borrowing more expensive this week.",
    "How do I reset my password?", "I forgot my login and cannot get into my account.",
    "Add two cups of flour, a pinch of salt and stir.", "Bake the bread at 220 degrees for forty minutes.",
    "She finished the marathon in just under four hours.", "Die Züge fahren heute wegen des Schnees später.",
    "GPU kernels hide memory latency by keeping many threads in flight.", "Yes.", "",
    "Antidisestablishmentarianism & naïve café, 東京 — prices from €9.99!",
    "A photon leaving the core of the sun is absorbed and emitted so many times that it takes tens of thousands of years to "
    "reach the surface, from where it needs only eight minutes more to reach us.",
    "Colorless green ideas sleep furiously.",
]
good = ["what a wonderful film", "i loved every minute", "a bright and moving story", "the best meal in years", "they were kind and helpful",
        "works perfectly, highly recommended", "a joy from start to finish", "beautiful music and great seats"]
bad = ["what a terrible film", "i hated every minute", "a dull and lifeless story", "the worst meal in years", "they were rude and slow",
       "broke on the first day, avoid it", "a bore from start to finish", "awful sound and bad seats"]
ends = ["", ".", ", really", " if you ask me", " and my friends say so too"]


def padded(texts):
    e = tokenizer(texts, padding=True, truncation=True, max_length=128, return_tensors="pt")
    return e["input_ids"], e["attention_mask"]


def embed(model, ids, mask):
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    m = mask[:, :, None].float()
    return F.normalize((hidden * m).sum(1) / m.sum(1), dim=1)


class Adapted(nn.Module):
    def __init__(self, base, a, b): super().__init__(); self.base, self.a, self.b = base, a, b

    def forward(self, x):
        w = self.base.weight
        return self.base(x) + F.linear(F.linear(x, self.a @ w.T), w @ self.b.T)


def condlora_batches():
    g = torch.Generator().manual_seed(11)
    texts = [(t + e, label) for e in ends for label, list_ in ((1, good), (0, bad)) for t in list_]
    order = torch.randperm(len(texts), generator=g).tolist()
    for s in range(0, 80, 8):
        rows = [texts[i] for i in order[s:s + 8]]
        ids, mask = padded([t for t, _ in rows])
        yield ids, mask, torch.tensor([label for _, label in rows])


def ten_steps():
    m = BertForSequenceClassification.from_pretrained(model_dir, num_labels=2, dtype=torch.float32).eval()
    for w in m.parameters(): w.requires_grad_(False)
    h, g = m.config.hidden_size, torch.Generator().manual_seed(2024)
    start = {"classifier.weight": 0.02 * torch.randn(2, h, generator=g), "classifier.bias": torch.zeros(2)}
    for kind in ("query", "value"):
        start |= {f"{kind}.theta_A": 0.05 * torch.randn(8, h, generator=g), f"{kind}.theta_B": torch.zeros(8, h)}
    save_file(start, out + "/start.safetensors")
    own = {k: nn.Parameter(v.clone()) for k, v in start.items()}
    m.classifier.weight, m.classifier.bias = own["classifier.weight"], own["classifier.bias"]
    for layer in m.bert.encoder.layer:
        for kind in ("query", "value"):
            setattr(layer.attention.self, kind, Adapted(getattr(layer.attention.self, kind), own[kind + ".theta_A"], own[kind + ".theta_B"]))
    opt = torch.optim.AdamW(own.values(), lr=2e-3, weight_decay=0.0)
    batches, steps = list(condlora_batches()), []
    for ids, mask, labels in batches:
        loss = F.cross_entropy(m(input_ids=ids, attention_mask=mask).logits, labels)
        opt.zero_grad(); loss.backward()
        norm = nn.utils.clip_grad_norm_(own.values(), 1.0)
        opt.step(); steps.append([loss.item(), norm.item()])
    logits = m(input_ids=batches[0][0], attention_mask=batches[0][1]).logits
    listed = [dict(inputIds=i.tolist(), attentionMask=a.tolist(), labels=l.tolist()) for i, a, l in batches]
    return listed, steps, {"after." + k: v.detach() for k, v in own.items()} | {"after.logits": logits.detach()}


ids, mask = padded(sentences)
full = BertModel.from_pretrained(model_dir, dtype=torch.float32).eval()
rounded = BertModel.from_pretrained(model_dir, dtype=torch.float32).eval()
for w in rounded.parameters(): w.data = w.data.half().float()
stored = load_file(model_dir + "/model.safetensors")
save_file({k: v.half() if v.is_floating_point() else v for k, v in stored.items()}, out + "/f16/model.safetensors", {"format": "pt"})
for name in ("config.json", "tokenizer.json", "tokenizer_config.json"): shutil.copy(f"{model_dir}/{name}", out + "/f16")
batches, steps, after = ten_steps()
with torch.no_grad(): embeddings = {"f32": embed(full, ids, mask), "f16": embed(rounded, ids, mask)}
save_file({k: v.contiguous() for k, v in (embeddings | after).items()}, out + "/expected.safetensors")
json.dump(dict(sentences=sentences, inputIds=ids.tolist(), attentionMask=mask.tolist(), batches=batches, lossAndGradNorm=steps),
          open(out + "/reference.json", "w"))
print("f16 weights move the embeddings by", (embeddings["f16"] - embeddings["f32"]).norm().item() / embeddings["f32"].norm().item())
print("similarity of the first two sentences and of the first and third:", *(embeddings["f32"][0] @ embeddings["f32"][1:3].T).tolist())
print("loss and gradient norm of the ten steps:", *([round(x, 5) for x in s] for s in steps))
