"""The models and numbers of the benchmarks for PyTorch: the same as random.ts and model.ts."""
import json
import math
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import RobertaConfig, RobertaForSequenceClassification

here = Path(__file__).parent
shapes = json.loads((here / "models.json").read_text())
RANK, ALPHA, TARGETS = 8, 16, ["query", "value"]
LEARNING_RATE, WEIGHT_DECAY = 1e-4, 0.01


def seed_of(name):
    h = 0x811C9DC5
    for byte in name.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return h


def bits(name, size):
    x = np.arange(size, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(seed_of(name))
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x7FEB352D)
    x = (x ^ x >> np.uint32(15)) * np.uint32(0x846CA68B)
    return x ^ x >> np.uint32(16)


def numbers(name, size, std=1.0):
    return ((bits(name, size) / 2**32 * 2 - 1) * (math.sqrt(3) * std)).astype(np.float32)


def start_values(name, shape):
    size = math.prod(shape)
    if "LayerNorm.weight" in name:
        values = np.ones(size, np.float32)
    elif len(shape) == 1 or "lora_B" in name or "theta_B" in name:
        values = numbers(name, size, 0.02)
    else:
        values = numbers(name, size, 0.05 if "embeddings" in name else 1 / math.sqrt(shape[1]))
    return torch.from_numpy(values).reshape(list(shape))


def tokens(model, batch, length):
    ids = 3 + bits("ids", batch * length) % np.uint32(shapes[model]["vocab"] - 3)
    ids = torch.from_numpy(ids.astype(np.int64)).reshape(batch, length)
    ids[:, 0] = 0
    labels = torch.from_numpy((bits("labels", batch) % np.uint32(2)).astype(np.int64))
    return ids, labels


class CondLinear(torch.nn.Module):
    """x·Wᵀ + b + s·x·Aᵀ·Bᵀ with A = Θa·Wᵀ and B = W·Θbᵀ."""

    def __init__(self, base, theta_a, theta_b):
        super().__init__()
        self.base, self.theta = base, (theta_a, theta_b)

    def forward(self, x):
        a, b = self.theta
        weight = self.base.weight
        return self.base(x) + ALPHA / RANK * (x @ (a @ weight.T).T) @ (weight @ b.T).T


def plain_name(name):
    """A parameter's name as our files have it."""
    for part in ("base_model.model.", ".default", "modules_to_save.", ".modules_to_save"):
        name = name.replace(part, "")
    return name


def build(name, method, dtype=torch.float32, device="cpu"):
    """The model and {name: trained parameter}."""
    s = shapes[name]
    config = RobertaConfig(
        vocab_size=s["vocab"], hidden_size=s["hidden"], num_hidden_layers=s["layers"], num_attention_heads=s["heads"],
        intermediate_size=s["ffn"], max_position_embeddings=s["positions"], type_vocab_size=1, pad_token_id=1,
        layer_norm_eps=1e-5, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=2)
    model = RobertaForSequenceClassification(config)
    thetas = {}
    if method == "lora":
        lora = LoraConfig(task_type="SEQ_CLS", r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, modules_to_save=["classifier"])
        model = get_peft_model(model, lora)
    if method == "condlora":
        model.requires_grad_(False)
        model.classifier.requires_grad_(True)
        for target in TARGETS:
            for letter in "AB":
                thetas[f"conversion.attention.self.{target}.theta_{letter}"] = torch.nn.Parameter(torch.empty(RANK, s["hidden"]))
            pair = [thetas[f"conversion.attention.self.{target}.theta_{x}"] for x in "AB"]
            for layer in model.roberta.encoder.layer:
                attention = layer.attention.self
                setattr(attention, target, CondLinear(getattr(attention, target), *pair))
    with torch.no_grad():
        for full, p in model.named_parameters():
            p.copy_(start_values(plain_name(full).replace(".base_layer", "").replace(".base.", ".").replace("original_module.", ""), p.shape))
        for full, p in thetas.items():
            p.copy_(start_values(full, p.shape))
    model = model.to(device=device, dtype=dtype)
    for p in thetas.values():
        p.data = p.data.to(device=device, dtype=dtype)
    trained = {plain_name(n): p for n, p in model.named_parameters() if p.requires_grad and "original_module" not in n}
    return model.train(), trained | thetas


def adamw(trained):
    groups = [
        {"params": [p for p in trained.values() if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in trained.values() if p.dim() == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=LEARNING_RATE)
