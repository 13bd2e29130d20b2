"""Writes reference.json: what float64 PyTorch makes of the models that the benchmarks run, two steps each. Run it after a
change to models.json, model.ts or seeded.py:  python bench/reference.py [part of a name ...]"""
import json
import os
import sys

import torch

from seeded import adamw, build, here, tokens

batches = [("tiny", 2, 16), ("roberta-mini", 16, 64), ("minilm", 8, 64), ("roberta-base", 1, 128), ("roberta-base", 16, 128)]
file = here / "reference.json"
found = json.loads(file.read_text()) if file.exists() else {}

for model, batch, length in batches:
    for method in ("forward", "lora", "condlora", "full"):
        key = f"{method} {model} {batch}x{length}"
        if sys.argv[1:] and not any(part in key for part in sys.argv[1:]):
            continue
        net, trained = build(model, method, torch.float64)
        ids, labels = tokens(model, batch, length)
        if method == "forward":
            with torch.no_grad():
                found[key] = {"logits": net(ids).logits.flatten().tolist()}
            continue
        optimizer = adamw(trained)
        losses = []
        for _ in range(2):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(ids).logits, labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        moments = {name: float(f"{optimizer.state[p]['exp_avg'].norm().item():.9g}") for name, p in trained.items()}
        found[key] = {"losses": losses, "moments": moments}
        print(key, losses, flush=True)

temporary = file.with_suffix(".tmp")
temporary.write_text(json.dumps(found, indent=1) + "\n")
os.replace(temporary, file)
