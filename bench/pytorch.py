"""PyTorch, transformers and peft on the shapes of `npm run bench`, on an NVIDIA GPU. Prints rows with the names of ours;
`npm run bench -- --with FILE` shows those of --json beside its own.

    python bench/pytorch.py [--json FILE] [--only train,matmul,...] [--modes f32,tf32,bf16,fp16,compile-f32,compile-bf16]
    python bench/pytorch.py --device cpu --tiny     # tries it where there is no GPU

Modes: f32 without TF32; tf32; bf16, for models by autocast; fp16, products alone; compile-MODE, models alone: the same under
torch.compile, compile-tf32 too. Products of bf16 and fp16 are rows of `half precision`, models of bf16 also stand in those of fp16.
"""
import argparse
import json
import math
import os
import statistics
import time

import peft
import torch
import torch._dynamo
import transformers

from seeded import adamw, build, numbers, tokens

options = argparse.ArgumentParser()
options.add_argument("--json")
options.add_argument("--only")
options.add_argument("--modes", default="f32,tf32,bf16,fp16,compile-f32,compile-bf16")
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
    label = f"torch {mode.replace('-', ' ')}"
    if isinstance(value, str):
        row["notes"][label] = value
    else:
        row["rivals"][label] = value
    print(f"{group}: {name}: {label}: {value if isinstance(value, str) else f'{value:.4g}'} {unit}", flush=True)


def precision(mode):
    tf32 = mode.removeprefix("compile-") == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    return torch.autocast(device.type, torch.bfloat16, enabled=mode.removeprefix("compile-") == "bf16")


def compiled(net, mode):
    """Each model from the start: after eight of them torch.compile would give up, and run the rest eager without a word."""
    if not mode.startswith("compile-"):
        return net
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    return torch.compile(net)


def check_compiled(mode):
    if mode.startswith("compile-") and not torch._dynamo.utils.counters["stats"]["unique_graphs"]:
        raise RuntimeError("torch.compile compiled no graph")


def tensor(name, *shape, std=1.0):
    return torch.from_numpy(numbers(name, math.prod(shape), std)).reshape(shape).to(device)


def product_shapes():
    """group, name, batch, m, n, k, whether a and b are stored transposed"""
    shapes = [("matmul", f"square {n}", 1, n, n, n, False, False) for n in ([64] if args.tiny else [256, 512, 1024, 2048, 4096])]
    sizes = [("tiny", 32, 64)] if args.tiny else [("minilm", 384, 1536), ("base", 768, 3072)]
    rows = 32 if args.tiny else 512
    for model, h, ffn in sizes:
        for what, n, k in (("projection", h, h), ("ffn up", ffn, h), ("ffn down", h, ffn)):
            shapes.append(("model shapes", f"{model} {what} {rows}×{k}×{n}", 1, rows, n, k, False, True))
    _, h, _ = sizes[-1]
    shapes.append(("model shapes", f"dX = dY·W {rows}×{h}×{h}", 1, rows, h, h, False, False))
    shapes.append(("model shapes", f"dW = dYᵀ·X {h}×{rows}×{h}", 1, h, h, rows, True, False))
    shapes.append(("model shapes", "q·kᵀ 48×(128×32×128)", 48, 128, 128, 32, False, True))
    for _, h, _ in sizes:
        shapes.append(("adapter", f"x·Aᵀ {rows}×{h}×8", 1, rows, 8, h, False, True))
        shapes.append(("adapter", f"h·Bᵀ {rows}×8×{h}", 1, rows, h, 8, False, True))
    _, h, _ = sizes[0]
    shapes.append(("adapter", f"dA = dhᵀ·x 8×{rows}×{h}", 1, 8, h, rows, True, False))
    return shapes


def products(mode):
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(mode, torch.float32)
    half = dtype != torch.float32
    for group, name, batch, m, n, k, ta, tb in product_shapes():
        group = "half precision" if half else group
        if group not in groups or (half and name.startswith(("x·", "h·", "d", "q·"))):
            continue
        lead = [batch] if batch > 1 else []
        a = tensor("a", *lead, *((k, m) if ta else (m, k))).to(dtype)
        b = tensor("b", *lead, *((n, k) if tb else (k, n))).to(dtype)
        a, b = a.mT if ta else a, b.mT if tb else b
        precision("f32" if half else mode)
        put(group, name, "GFLOP/s", "higher", mode, 2 * batch * m * n * k / 1e9 / median_seconds(lambda: a @ b))


def conversions(mode):
    layers, n, r = (2, 32, 4) if args.tiny else (12, 768, 8)
    w = tensor("conversion weights", layers, n, n, std=n**-0.5)
    theta_a, theta_b = tensor("theta a", r, n), tensor("theta b", r, n)
    da, db = tensor("dA", layers, r, n), tensor("dB", layers, n, r)
    precision(mode)
    for what, call in (
        ("forward", lambda: (theta_a @ w.mT, w @ theta_b.T)),
        ("backward", lambda: ((da @ w).sum(0), (db.mT @ w).sum(0))),
    ):
        put("conversion", f"{what} {layers}×{n}² r {r}", "GFLOP/s", "higher", mode, 4 * layers * r * n * n / 1e9 / median_seconds(call))


def attentions(mode):
    precision(mode)
    for batch, length, heads, d in [(2, 8, 2, 16)] if args.tiny else [(8, 64, 12, 32), (4, 128, 12, 64), (8, 512, 12, 32)]:
        q, k, v = (tensor(x, batch, length, heads, d).transpose(1, 2) for x in "qkv")
        call = lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, length, -1)
        put("attention", f"{batch}×{heads}×({length}×{d})", "GFLOP/s", "higher", mode, 4 * batch * heads * length**2 * d / 1e9 / median_seconds(call))


def row_operations(mode):
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
            net = compiled(net, mode)
            with torch.no_grad(), precision(mode):
                put("forward", title, "samples/s", "higher", mode, batch / median_seconds(lambda: net(ids).logits))
            check_compiled(mode)
        if "train" not in groups:
            continue
        for method, label in (("lora", "LoRA"), ("condlora", "CondLoRA"), ("full", "full")):
            net, trained = build(name, method, device=device)
            net = compiled(net, mode)
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
            speed = batch / median_seconds(lambda: step().item())
            check_compiled(mode)
            # Ours in half precision is held against the same.
            for suffix in ("", " fp16") if mode.endswith("bf16") and method != "full" else ("",):
                put("train", f"{title} {label}{suffix}", "samples/s", "higher", mode, speed)
                if gpu:
                    put("peak bytes of GPU buffers", f"{title} {label}{suffix}", "MiB", "lower", mode, torch.cuda.max_memory_allocated() / 2**20)
            del net, trained, optimizer


every = ("f32", "tf32")
parts = {  # what measures a group, and in which modes
    "roofline": (copies, ("f32",)),
    "matmul": (products, every),
    "model shapes": (products, every),
    "adapter": (products, every),
    "half precision": (products, ("bf16", "fp16")),
    "conversion": (conversions, every),
    "pointwise and rows": (row_operations, every),
    "attention": (attentions, every),
    "forward": (models, None),
    "train": (models, None),
    "replay": (None, ()),
    "tiny": (None, ()),
}
known_modes = ("f32", "tf32", "bf16", "fp16", "compile-f32", "compile-tf32", "compile-bf16")
groups = args.only.split(",") if args.only else list(parts)
modes = args.modes.split(",")
for option, wanted, known in (("--only", groups, parts), ("--modes", modes, known_modes)):
    unknown = [x for x in wanted if x not in known]
    if unknown:
        options.error(f"{option}: there is no {unknown[0]!r}; there are {', '.join(known)}")
if gpu and not torch.cuda.is_available():
    options.error("no NVIDIA GPU here: try --device cpu --tiny")
name = torch.cuda.get_device_name() if gpu else "CPU"
print(f"PyTorch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__} on {name}", flush=True)
for mode in modes:
    for part in dict.fromkeys(part for part, fits in map(parts.get, groups) if part and (mode in fits if fits is not None else mode != "fp16")):
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
