// Dynamic loss scaling (PyTorch's GradScaler): between adamw.wgsl's FORM 1 and FORM 2, where gradients carry a factor `scale`, a power of
// two, which changes no bit of them.
//
// state = {scale, good steps since it changed, steps left out, C1, C2},  C = 1 − βⁿ of the n steps that were applied
//
// Gradients not finite, though the loss is, and scale > 1: the step stays left out, without being a bad one; scale / 2.
// A good step: status becomes {norm / scale, clip / scale, 1, 0}, so that FORM 2 sees gradients without the factor; after `every` of them
// scale · 2, up to 2³², from where on squares of gradients overflow. Where steps were left out, hyper's c1 and c2 become C1 and C2:
// Adam counts those that were applied alone.
//
// One thread.  Bindings: 1 state, 2 status, 3 hyper (written), 4 loss [1].
struct Params { base: u32, total: u32, maxNorm: f32, rest1: f32, rest2: f32, every: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<storage, read_write> status: array<f32>;
@group(0) @binding(3) var<storage, read_write> hyper: array<f32>;
@group(0) @binding(4) var<storage, read> loss: array<f32>;

@compute @workgroup_size(1)
fn main() {
  let scale = state[0];
  if (status[2] != 0.0) {
    let norm = status[0] / scale;
    status[0] = norm;
    status[1] = select(1.0, min(1.0, p.maxNorm / (norm + 1e-6)), p.maxNorm > 0.0) / scale;
    state[3] += (1.0 - state[3]) * p.rest1;
    state[4] += (1.0 - state[4]) * p.rest2;
    if (state[2] > 0.0) {
      hyper[1] = state[3];
      hyper[2] = state[4];
    }
    state[1] += 1.0;
    if (state[1] >= p.every) {
      state[0] = min(2.0 * scale, 4294967296.0);
      state[1] = 0.0;
    }
  } else if (status[3] == hyper[3] && (bitcast<u32>(loss[0]) & 0x7f800000u) != 0x7f800000u && scale > 1.0) {
    status[3] = 0.0;
    state[0] = 0.5 * scale;
    state[1] = 0.0;
    state[2] += 1.0;
  }
}
