"""PyTorch, transformers and peft on the shapes of `npm run bench`, on an NVIDIA GPU: eager f32, TF32, bf16 autocast,
torch.compile. Prints a table; the rows have the names of ours.

    python bench/pytorch.py [--json FILE] [--only train,matmul,...] [--modes f32,tf32,bf16,compile]
    python bench/pytorch.py --device cpu --tiny     # tries it where there is no GPU
"""
import argparse
import json
import os
import statistics
import time

import peft
import torch
import transformers

from seeded import adamw, build, numbers, tokens

options = argparse.ArgumentParser()
options.add_argument("--json")
options.add_argument("--only")
options.add_argument("--modes", default="f32,tf32,bf16,compile")
options.add_argument("--device", default="cuda")
options.add_argument("--tiny", action="store_true")
args = options.parse_args()
device = torch.device(args.device)
gpu = device.type == "cuda"
titles = {"tiny": "tiny", "roberta-mini": "roberta-mini", "minilm": "6×384", "roberta-base": "RoBERTa-base"}
batches = [("tiny", 2, 16)] if args.tiny else [("roberta-mini", 16, 64), ("minilm", 8, 64), ("roberta-base", 16, 128)]
rows = {}


def finish():
    if gpu:
        torch.cuda.synchronize()


def median_seconds(call, budget=0.2 if args.tiny else 2.0, warm=3):
    """Median of up to 50 calls within the budget, each until the device is done, after warm-up."""
    for _ in range(warm):
        call()
    finish()
    times = []
    while len(times) < 3 or (sum(times) < budget and len(times) < 50):
        start = time.perf_counter()
        call()
        finish()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def put(group, name, unit, better, mode, value):
    row = rows.setdefault((group, name), {"group": group, "name": name, "unit": unit, "better": better, "ours": None, "rivals": {}, "notes": {}})
    if isinstance(value, str):
        row["notes"][f"torch {mode}"] = value
    else:
        row["rivals"][f"torch {mode}"] = value
    print(f"{group}: {name}: torch {mode}: {value if isinstance(value, str) else f'{value:.4g}'} {unit}", flush=True)


def precision(mode):
    torch.backends.cuda.matmul.allow_tf32 = mode != "f32"
    torch.backends.cudnn.allow_tf32 = mode != "f32"
    return torch.autocast(device.type, torch.bfloat16, enabled=mode == "bf16")


def tensor(name, *shape):
    size = 1
    for d in shape:
        size *= d
    return torch.from_numpy(numbers(name, size)).reshape(shape).to(device)


def products(mode):
    shapes = [("matmul", f"square {n}", n, n, n, False) for n in ([64] if args.tiny else [256, 512, 1024, 2048, 4096])]
    if not args.tiny:
        for model, h, ffn in (("minilm", 384, 1536), ("base", 768, 3072)):
            for what, n, k in (("projection", h, h), ("ffn up", ffn, h), ("ffn down", h, ffn)):
                shapes.append(("model shapes", f"{model} {what} 512×{k}×{n}", 512, n, k, True))
        for h in (384, 768):
            shapes += [("adapter", f"x·Aᵀ 512×{h}×8", 512, 8, h, True), ("adapter", f"h·Bᵀ 512×8×{h}", 512, h, 8, True)]
    for group, name, m, n, k, transposed in shapes:
        a, b = tensor("a", m, k), tensor("b", n, k).T if transposed else tensor("b", k, n)
        if mode == "bf16":
            a, b = a.bfloat16(), b.bfloat16()
        with precision(mode if mode != "bf16" else "f32"):
            put(group, name, "GFLOP/s", "higher", mode, 2 * m * n * k / 1e9 / median_seconds(lambda: a @ b))


def row_operations(mode):
    if mode == "bf16":
        return
    for kind, r, c in [("softmax", 8, 32)] if args.tiny else [
        ("softmax", 1536, 128), ("layernorm", 512, 384), ("gelu", 512, 1536), ("softmax", 24576, 128), ("layernorm", 2048, 768), ("gelu", 2048, 3072)]:
        x, g, b = tensor("x", r, c), tensor("gamma", c), tensor("beta", c)
        call = {
            "softmax": lambda: torch.softmax(x, -1),
            "layernorm": lambda: torch.nn.functional.layer_norm(x, (c,), g, b),
            "gelu": lambda: torch.nn.functional.gelu(x),
        }[kind]
        put("pointwise and rows", f"{kind} {r}×{c}", "GB/s", "higher", mode, 8 * r * c / 1e9 / median_seconds(call))


def copies(mode):
    x = torch.ones((1 << 20 if args.tiny else 128 << 20) // 4, device=device)
    y = torch.empty_like(x)
    put("roofline", f"copy of {x.numel() * 4 >> 20} MiB", "GB/s", "higher", mode, 2 * x.numel() * 4 / 1e9 / median_seconds(lambda: y.copy_(x)))


def models(mode):
    for name, batch, length in batches:
        ids, labels = (t.to(device) for t in tokens(name, batch, length))
        title = f"{titles[name]} {batch}×{length}"
        if "forward" in groups:
            net, _ = build(name, "forward", device=device)
            net = torch.compile(net) if mode == "compile" else net
            with torch.no_grad(), precision(mode):
                put("forward", title, "samples/s", "higher", mode, batch / median_seconds(lambda: net(ids).logits))
        if "train" not in groups:
            continue
        for method, label in (("lora", "LoRA"), ("condlora", "CondLoRA"), ("full", "full")):
            net, trained = build(name, method, device=device)
            net = torch.compile(net) if mode == "compile" else net
            optimizer = adamw(trained)

            def step():
                optimizer.zero_grad()
                with precision(mode):
                    loss = torch.nn.functional.cross_entropy(net(ids).logits.float(), labels)
                loss.backward()
                optimizer.step()
                return loss

            if gpu:
                torch.cuda.reset_peak_memory_stats()
            put("train", f"{title} {label}", "samples/s", "higher", mode, batch / median_seconds(lambda: step().item()))
            if gpu:
                put("peak bytes of GPU buffers", f"{title} {label}", "MiB", "lower", mode, torch.cuda.max_memory_allocated() / 2**20)
            del net, trained, optimizer


parts = {"roofline": copies, "matmul": products, "pointwise and rows": row_operations, "forward": models, "train": models}
groups = args.only.split(",") if args.only else list(parts)
unknown = [g for g in groups if g not in parts]
if unknown:
    options.error(f"--only: there is no group {unknown[0]!r}; there are {', '.join(parts)}")
if gpu and not torch.cuda.is_available():
    options.error("no NVIDIA GPU here: try --device cpu --tiny")
name = torch.cuda.get_device_name() if gpu else "CPU"
print(f"PyTorch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__} on {name}", flush=True)
for mode in args.modes.split(","):
    for part in dict.fromkeys(parts[g] for g in groups):
        if mode == "compile" and part is not models:
            continue
        try:
            part(mode)
        except Exception as error:  # e.g. no compiler for torch.compile: named, and the next one goes on
            put(part.__name__, "all", "", "higher", mode, f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}")
report = {
    "adapter": name,
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
    "rows": list(rows.values()),
}
if args.json:
    temporary = f"{args.json}.{os.getpid()}.tmp"
    with open(temporary, "w") as file:
        json.dump(report, file, indent=1, ensure_ascii=False)
    os.replace(temporary, args.json)
