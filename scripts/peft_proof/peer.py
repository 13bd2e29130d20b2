"""The other side of the proof: PyTorch, transformers and peft. Reads requests, one JSON object a line, and answers each with
one line: {"result": ...} or {"error": "..."}. Started by run.ts."""
import json
import os
import sys
import traceback
import warnings

import peft
import torch
import transformers
from peft import FourierFTConfig, LoraConfig, PeftModel, VeraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file, save_file
from torch.nn.functional import linear
from transformers import AutoModelForSequenceClassification

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print must not get among the answers
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
configs = {"LORA": LoraConfig, "VERA": VeraConfig, "FOURIERFT": FourierFTConfig}


def strictly(load):
    """Missing and unexpected tensors and keys are warnings in peft: here they are errors."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="(?is).*(missing|unexpected)")
        return load()


def plain(folder):
    model, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    wrong = {kind: names for kind, names in info.items() if names}
    if wrong:
        raise ValueError(f"{folder}: {wrong}")
    return model.eval()


def adapted(base, adapter, trainable=False):
    return strictly(lambda: PeftModel.from_pretrained(plain(base), adapter, is_trainable=trainable)).eval()


def tensors(batch):
    return {name: torch.tensor(rows) for name, rows in batch.items()}


def logits_of(model, batch):
    with torch.no_grad():
        return model(**tensors(batch)).logits.flatten().tolist()


class Factors(torch.nn.Module):
    """y = Wx + b + s*B*A*x, with A and B from a function of W: CondLoRA and LoRA-XS, which peft does not have. With `first`, as
    CondLoRA's type2, also s*(x*x0)*first, x0 being the first token of the example."""

    def __init__(self, base, factors, scaling, first=None):
        super().__init__()
        self.base, self.factors, self.scaling, self.first = base, factors, scaling, first

    def forward(self, x):
        A, B = self.factors(self.base.weight)
        y = self.base(x) + self.scaling * linear(linear(x, A), B)
        return y if self.first is None else y + self.scaling * linear(x @ x[:, 0, :, None], self.first())


def by_hand(base, adapter):
    """A model with our adapter's folder in it, and its trained tensors under the names of the file."""
    model = plain(base)
    for weight in model.parameters():
        weight.requires_grad_(False)
    config = json.load(open(f"{adapter}/adapter_config.json"))
    start, scaling = load_file(f"{adapter}/adapter_model.safetensors"), config["lora_alpha"] / config["r"]
    trained = {}
    for name, weight in model.named_parameters():
        if name.startswith("classifier."):
            weight.data = start[f"base_model.model.{name}"]
            trained[f"base_model.model.{name}"] = weight.requires_grad_(True)

    def put(path, factors, first=None):
        *parents, last = path.split(".")
        parent = model.get_submodule(".".join(parents))
        setattr(parent, last, Factors(getattr(parent, last), factors, scaling, first))

    def parameter(key):
        trained[key] = torch.nn.Parameter(start[key])
        return trained[key]

    kind, c = config.get("use_x", "none"), config.get("lora_x_scaling", 0)
    x = parameter("base_model.model.conversion.theta_x") if kind != "none" else None
    shift = (lambda A: A + c * x) if kind == "type1" else lambda A: A
    first = (lambda: c * x) if kind == "type2" else None
    for key in [key for key in start if key.endswith((".theta_A", "lora_latent_mapping.weight"))]:
        if key.endswith(".theta_A"):
            a, b = parameter(key), parameter(key[:-1] + "B")
            role, code = key.split("conversion.")[1].removesuffix(".theta_A"), config["conversion"] == "code"
            factors = lambda W, a=a, b=b, code=code: (shift(a @ W.T if code else a @ W), W @ b.T)
            for number in range(model.config.num_hidden_layers):
                put(f"roberta.encoder.layer.{number}.{role}", factors, first)
        else:
            path = key.removesuffix(".lora_latent_mapping.weight")
            A, B, R = start[f"{path}.lora_A.weight"], start[f"{path}.lora_B.weight"], parameter(key)
            put(path.removeprefix("base_model.model."), lambda _, A=A, B=B, R=R: (A, B @ R))
    return model, trained, {key: start[key] for key in start if key not in trained}


def whole(base, wanted):
    """Head only, BitFit and full fine-tuning: nothing but requires_grad."""
    model = plain(base)
    trains = {"HEAD": lambda n: n.startswith("classifier."), "FULL": lambda n: True}
    trains["BITFIT"] = lambda n: n.endswith("bias") or n.startswith("classifier.")
    for name, weight in model.named_parameters():
        weight.requires_grad_(trains[wanted](name))
    return model, {f"base_model.model.{n}": w for n, w in model.named_parameters() if w.requires_grad}, {}


def ten_steps(model, trained, batches, lr, decay, clip, factors, plus):
    if plus:
        optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=lr, loraplus_lr_ratio=plus, loraplus_weight_decay=decay)
    else:
        optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=decay)
    rates = [group["lr"] for group in optimizer.param_groups]
    losses = []
    for batch, factor in zip(batches, factors, strict=True):
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate * factor
        optimizer.zero_grad()
        loss = model(**tensors(batch)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, clip)
        optimizer.step()
        losses.append(loss.item())
    return losses


def about():
    return {"python": sys.version.split()[0], "torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}


def logits(base, sample, adapter=None):
    return logits_of(adapted(base, adapter) if adapter else plain(base), sample)


def make(base, kind, config, moved, sample, out):
    """An adapter as peft itself makes and saves one; whatever starts at zero is moved."""
    torch.manual_seed(11)
    model = strictly(lambda: get_peft_model(plain(base), configs[kind](task_type="SEQ_CLS", **config)))
    for name, weight in model.named_parameters():
        if weight.requires_grad and "modules_to_save" not in name:
            weight.data += moved * torch.randn(weight.shape)
    model.save_pretrained(out)
    return logits_of(model.eval(), sample)


def train(base, adapter, kind, frozen, sample, out, **settings):
    """Ten steps from our adapter. Leaves in `out` what peft saves of it, else the trained tensors under our names."""
    if kind in configs:
        model = adapted(base, adapter, trainable=True)
        for name, weight in model.named_parameters():
            if frozen and frozen in name:
                weight.requires_grad_(False)
        losses = ten_steps(model, [w for w in model.parameters() if w.requires_grad], **settings)
        model.save_pretrained(out)
    else:
        model, trained, rest = whole(base, kind) if kind in ("HEAD", "BITFIT", "FULL") else by_hand(base, adapter)
        losses = ten_steps(model, list(trained.values()), **settings)
        os.makedirs(out, exist_ok=True)
        save_file({name: w.detach().contiguous().clone() for name, w in {**trained, **rest}.items()}, f"{out}/adapter_model.safetensors")
    return {"losses": losses, "logits": logits_of(model, sample)}


def merge(base, adapter, out):
    """The model with merged weights, by merge_adapter: peft 0.21's merge_and_unload fails on FourierFT with a trained head."""
    model = adapted(base, adapter)
    model.merge_adapter()
    state, merged = model.get_base_model().state_dict(), plain(base)
    own = {name.replace(".base_layer.", ".").replace(".modules_to_save.default.", "."): w for name, w in state.items() if "original_module" not in name}
    merged.load_state_dict({name: own[name] for name in merged.state_dict()})
    merged.save_pretrained(out)


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"result": globals()[request.pop("do")](**request)}
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer), file=answers, flush=True)
