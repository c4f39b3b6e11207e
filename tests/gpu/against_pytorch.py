#!/usr/bin/env python3
"""PyTorch on this GPU, at the shapes of `tandem-bench device`, in one JSON object on stdout.

    tests/gpu/against_pytorch.py [--quick] [--seconds 100]

{"torch": version, "gpu": name, "rows": [{"name", "value", "unit", "note"}]}; names are those of
tandem-bench's rows where both measure the same. A row that fails has a note and no value. --quick
leaves out what torch.compile makes. Exits with 77, and says why on stderr, without PyTorch or a GPU.
"""

import argparse
import json
import statistics
import sys
import time

SAMPLE_SECONDS = 6e-3
SAMPLES = 7
RECORDED_BELOW_SECONDS = 25e-6
RECORDED_CALLS = 100
COLD_BYTES = 192 << 20


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(77)


try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    skip(f"PyTorch is not installed ({error})")


class Table:
    """Rows so far; each is measured under a guard."""

    def __init__(self, seconds):
        self.deadline = time.perf_counter() + seconds
        self.rows = []

    def measure(self, name, unit, measure):
        row = {"name": name, "unit": unit}
        if time.perf_counter() > self.deadline:
            row["note"] = "not measured: time is over"
        else:
            try:
                value = measure()
                row["value"], row["note"] = value if isinstance(value, tuple) else (value, "")
            except Exception as error:  # of one row; the rest goes on
                row["note"] = f"not measured: {type(error).__name__}: {error}"[:300]
            torch.cuda.empty_cache()
        self.rows.append(row)
        print(row, file=sys.stderr, flush=True)


def clock(call, count):
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(count):
        call()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def seconds_of(call, record=True):
    """The median of samples, as tandem-bench takes them: short calls in a CUDA graph of many."""
    clock(call, 3)
    once = max(clock(call, 3) / 3, 1e-9)
    calls = 1
    if record and once < RECORDED_BELOW_SECONDS:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            call()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(RECORDED_CALLS):
                call()
        call, calls = graph.replay, RECORDED_CALLS
        once = max(clock(call, 1), 1e-9)
    count = max(1, int(SAMPLE_SECONDS / once))
    return statistics.median(clock(call, count) / count for _ in range(SAMPLES)) / calls


def normal(*shape, dtype=torch.bfloat16, grad=False):
    return torch.randn(shape, device="cuda", dtype=torch.float32).to(dtype).requires_grad_(grad)


def measure_ceilings(table):
    def copy():
        source = torch.zeros(2 << 30, dtype=torch.uint8, device="cuda")
        target = torch.empty_like(source)
        return 2 * source.numel() / seconds_of(lambda: target.copy_(source)) * 1e-9

    def small(record):
        x, y = normal(1, 32, dtype=torch.float32), normal(1, 32, dtype=torch.float32)
        if record:
            return 1e6 * seconds_of(lambda: y.add_(x))

        def call():
            y.add_(x)
            torch.cuda.synchronize()

        return 1e6 * seconds_of(call, record=False)

    table.measure("device copy, read and written", "GB/s", copy)
    table.measure("matmul 8192 x 8192 -> 8192 bf16", "TFLOP/s", lambda: matmul(8192, 8192, 8192))
    table.measure("one small op and a wait", "us", lambda: small(False))
    table.measure("a small op in a recording", "us", lambda: small(True))


def matmul(m, k, n):
    """TFLOP/s; the result is bf16, where ours is fp32."""
    x, w = normal(m, k), normal(n, k)
    y = torch.empty(m, n, dtype=torch.bfloat16, device="cuda")
    return 2 * m * k * n / seconds_of(lambda: torch.mm(x, w.t(), out=y)) * 1e-12


def cold_matmul(m, k, n):
    """GB/s of operands from memory: matrices in turns."""
    copies = min(16, -(-COLD_BYTES // (2 * k * n)))
    x = normal(m, k)
    weights = [normal(n, k) for _ in range(copies)]
    y = torch.empty(m, n, dtype=torch.bfloat16, device="cuda")
    turn = 0

    def call():
        nonlocal turn
        torch.mm(x, weights[turn].t(), out=y)
        turn = (turn + 1) % copies

    return 2 * (m * k + k * n + m * n) / seconds_of(call) * 1e-9


def measure_products(table):
    for tokens in (1, 16):
        for k, n in ((768, 6400), (4096, 4096)):
            table.measure(f"matmul {tokens} x {k} -> {n} bf16", "GB/s",
                          lambda: cold_matmul(tokens, k, n))
    for tokens in (256, 1024, 16384):
        for k, n in ((512, 2816), (1408, 512), (768, 4096), (2048, 768)):
            table.measure(f"matmul {tokens} x {k} -> {n} bf16", "TFLOP/s",
                          lambda: matmul(tokens, k, n))
    table.measure("matmul 4096 x 4096 -> 4096 bf16", "TFLOP/s", lambda: matmul(4096, 4096, 4096))


def attention(backend, batch, length, dim, backward):
    """TFLOP/s of the causal half, by the backend named; 16 heads of keys and values where ours has
    4, since not every backend takes groups: the same products."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    heads = 16
    q, k, v = (normal(batch, heads, length, dim, grad=backward) for _ in range(3))
    pairs = batch * heads * length * (length + 1) // 2
    with sdpa_kernel(getattr(SDPBackend, backend)):
        if not backward:
            with torch.no_grad():
                took = seconds_of(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True))
            return 4 * dim * pairs / took * 1e-12
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        dy = torch.randn_like(y)
        took = seconds_of(lambda: torch.autograd.grad(y, (q, k, v), dy, retain_graph=True),
                          record=False)
        return 10 * dim * pairs / took * 1e-12


def measure_attention(table):
    for backend, says in (("FLASH_ATTENTION", "flash"), ("CUDNN_ATTENTION", "cuDNN")):
        for dim in (64, 96, 128):
            for length in (2048, 8192):
                batch = 16384 // length
                table.measure(
                    f"attention {batch} x {length} of {length}, 16/4 x {dim} bf16", "TFLOP/s",
                    lambda: (attention(backend, batch, length, dim, False), f"{says}, 16/16 heads"))
            table.measure(
                f"attention_backward 4 x 2048 of 2048, 16/4 x {dim} bf16", "TFLOP/s",
                lambda: (attention(backend, 4, 2048, dim, True), f"{says}, 16/16 heads"))


def adamw():
    """GB/s as our row counts them: 28 bytes a parameter."""
    count = 25829888
    weights = torch.nn.Parameter(normal(count, dtype=torch.float32))
    weights.grad = normal(count, dtype=torch.float32)
    optimizer = torch.optim.AdamW([weights], lr=1e-4, fused=True)
    return 28 * count / seconds_of(optimizer.step, record=False) * 1e-9


def rms_norm():
    """GB/s; one fused kernel of torch.compile, from fp32 to bf16 as ours."""
    rows, width = 65536, 768
    x, weight = normal(rows, width, dtype=torch.float32), normal(width, dtype=torch.float32)

    @torch.compile(dynamic=False)
    def norm(x, weight):
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)
        return ((x * scale).to(torch.bfloat16) * weight).to(torch.bfloat16)

    with torch.no_grad():
        return rows * width * 6 / seconds_of(lambda: norm(x, weight), record=False) * 1e-9


class Layer(torch.nn.Module):
    def __init__(self, hidden, heads, kv_heads, dim, inner):
        super().__init__()
        self.heads, self.kv_heads, self.dim = heads, kv_heads, dim
        self.before = torch.nn.RMSNorm(hidden, eps=1e-5)
        self.qkv = torch.nn.Linear(hidden, (heads + 2 * kv_heads) * dim, bias=False)
        self.output = torch.nn.Linear(heads * dim, hidden, bias=False)
        self.after = torch.nn.RMSNorm(hidden, eps=1e-5)
        self.gate_up = torch.nn.Linear(hidden, 2 * inner, bias=False)
        self.down = torch.nn.Linear(inner, hidden, bias=False)

    def forward(self, x, cosine, sine):
        batch, length, _ = x.shape
        qkv = self.qkv(self.before(x)).view(batch, length, -1, self.dim).transpose(1, 2)
        q, k, v = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=1)

        def turn(x):
            a, b = x.chunk(2, -1)
            return torch.cat((a * cosine - b * sine, b * cosine + a * sine), -1).to(v.dtype)

        y = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True, enable_gqa=True)
        x = x + self.output(y.transpose(1, 2).reshape(batch, length, -1))
        gate, up = self.gate_up(self.after(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Model(torch.nn.Module):
    """MiniMind's 26M shape: the head is the embedding."""

    def __init__(self, length, hidden=512, layers=8, heads=8, kv_heads=2, dim=64, inner=1408,
                 vocab=6400):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocab, hidden)
        torch.nn.init.normal_(self.embedding.weight, std=0.02)
        self.layers = torch.nn.ModuleList(
            Layer(hidden, heads, kv_heads, dim, inner) for _ in range(layers))
        self.norm = torch.nn.RMSNorm(hidden, eps=1e-5)
        frequencies = 1e6 ** (-torch.arange(0, dim, 2) / dim)
        angles = torch.outer(torch.arange(length), frequencies)
        self.register_buffer("cosine", angles.cos())
        self.register_buffer("sine", angles.sin())

    def forward(self, ids, targets):
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x, self.cosine, self.sine)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def training_step(rows, compiled):
    """tok/s of whole steps: forward and backward under bf16 autocast, clipping, AdamW."""
    length = 512
    torch.manual_seed(1)
    model = Model(length).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(0, 6400, (rows, length + 1), device="cuda")
    loss_of = torch.compile(model, dynamic=False) if compiled else model

    def step():
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = loss_of(ids[:, :-1], ids[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    clock(step, 3)
    took = statistics.median(clock(step, 1) for _ in range(5))
    says = "compiled" if compiled else "not compiled"
    return rows * length / took, f"{says}, {rows * length} tokens a step"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="nothing that is compiled")
    parser.add_argument("--seconds", type=float, default=100, help="after which no row is begun")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        skip("PyTorch sees no GPU")
    torch.backends.cuda.matmul.allow_tf32 = True
    table = Table(arguments.seconds)
    measure_ceilings(table)
    name = "26m bf16 training, rows of 512"
    table.measure(name, "tok/s", lambda: training_step(64, False))
    if not arguments.quick:
        table.measure(name, "tok/s", lambda: training_step(64, True))
    measure_attention(table)
    measure_products(table)
    table.measure("adamw 25829888 f32", "GB/s", adamw)
    if not arguments.quick:
        table.measure("rms_norm 65536 x 768 bf16", "GB/s", rms_norm)
    print(json.dumps({"torch": torch.__version__, "gpu": torch.cuda.get_device_name(0),
                      "rows": table.rows}))


if __name__ == "__main__":
    main()
