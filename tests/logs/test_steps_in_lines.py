"""Steps, loss and rate in lines as the real programs print them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import UsageError
from fleetctl.logs.steps import LineReader, Said
from fleetctl.model.steps import StepForms

HALF = "█████     "


@pytest.mark.parametrize(
    ("line", "said"),
    [
        # examples/elastic
        ("12:00:01 step 130 loss 2.053 rank 1", Said(130, 2.053)),
        ("12:00:01 rank 3 stopped by SIGTERM, step 130 loss 2.053", Said(130, 2.053)),
        # nanoGPT's train.py
        ("iter 100: loss 2.0512, time 250.12ms, mfu 1.25%", Said(100, 2.0512)),
        ("step 250: train loss 1.9701, val loss 2.1044", Said(250, 1.9701)),
        # mlx_lm's trainer, and the older one of mlx-examples
        (
            "Iter 10: Train loss 2.531, Learning Rate 1.000e-05, It/sec 0.531, "
            "Tokens/sec 251.207, Trained Tokens 4730, Peak mem 3.514 GB",
            Said(10, 2.531, 0.531, 251.207),
        ),
        ("Iter 20: Train loss 2.2, It/sec 0.604, Tokens/sec 252.1", Said(20, 2.2, 0.604, 252.1)),
        ("Iter 1: Val loss 2.659, Val took 3.163s", Said()),
        # torchtitan, with its colours as a look brings them
        (
            "[titan] 2026-05-18 16:04:46,338 - root - INFO - ?[31mstep: 14 ?[32m loss:  3.24405"
            "  grad_norm:  0.8319  memory:  9.46GiB(64.99%)  ?[34mtps: 7,282?[39m  tflops: 0.52",
            Said(14, 3.24405, None, 7282),
        ),
        # Megatron-LM
        (
            " iteration       10/     500 | consumed samples:         2560 | elapsed time per "
            "iteration (ms): 812.3 | learning rate: 1.5E-06 | lm loss: 9.823412E+00 |",
            Said(10, 9.823412),
        ),
        # tqdm's README and Lightning's TQDMProgressBar
        (f" 50%|{HALF}| 50/100 [00:10<00:10,  5.00it/s]", Said(50, None, 5.0)),
        (f"training:  50%|{HALF}| 50/100 [01:40<01:40,  2.00s/it, loss=1.5]", Said(50, 1.5, 0.5)),
        ("38it [00:10,  3.80it/s]", Said(38, None, 3.8)),
        ("  0%|          | 0/100 [00:00<?, ?it/s]", Said(0)),
        (
            "Epoch 0:  22%|██▏       | 4/18 [00:17<01:02,  4.00s/it, loss=9.926, v_num=193315]",
            Said(4, 9.926, 0.25, None, 0),
        ),
        (
            f"Epoch 2:  50%|{HALF}| 50/100 [00:10<00:10,  5.00it/s, v_num=0, train_loss_step=0.41]",
            Said(250, None, 5.0, None, 2),
        ),
        (
            f"Epoch 2:  50%|{HALF}| 50/100 [00:10<00:10,  5.00it/s, v_num=0, train_loss=0.41]",
            Said(250, 0.41, 5.0, None, 2),
        ),
        (
            f"Epoch 1: 50%|{HALF}| 50/100 [03:44<00:00,  4.42batch/s, avg_loss=0.34, loss=0.06]",
            Said(150, 0.06, 4.42, None, 1),
        ),
        # Lightning's RichProgressBar
        (
            "Epoch 4/9 ━━━━━━━━━━━━━ 232/291 0:00:33 • 0:00:09 7.00it/s v_num: 0.000 loss: 0.398",
            Said(4 * 291 + 232, 0.398, 7.0, None, 4),
        ),
        ("Epoch 4    --------------- ---- 232/291 0:00:33 • 0:00:09 7.00it/s loss: 0.398 ",
         Said(4 * 291 + 232, 0.398, 7.0, None, 4)),
        # Hugging Face's Trainer, version 4 and 5
        (
            "{'loss': 2.05, 'grad_norm': 1.2, 'learning_rate': 4.9e-05, 'epoch': 0.38}",
            Said(None, 2.05, None, None, 0.38),
        ),
        (
            "{'loss': '2.05', 'grad_norm': '1.2', 'learning_rate': '4.9e-05', 'epoch': '0.38'}",
            Said(None, 2.05, None, None, 0.38),
        ),
        ("{'eval_loss': 1.9, 'eval_runtime': 3.1, 'eval_steps_per_second': 3.2}", Said()),
        # inference: llama.cpp, vLLM
        (
            "llama_perf_context_print:        eval time =     990.99 ms /    25 runs   "
            "(   39.64 ms per token,    25.23 tokens per second)",
            Said(None, None, None, 25.23),
        ),
        ("generated 120 tokens, 31.5 tok/s", Said(None, None, None, 31.5)),
        # what counts no steps of the training
        ("Loading checkpoint shards: 100%|██████████| 2/2 [00:01<00:00,  1.60it/s]", Said()),
        ("Validation DataLoader 0:  50%|█████     | 5/10 [00:00<00:00, 50.00it/s]", Said()),
        ("Map:  38%|███▊      | 380/1000 [00:01<00:01, 380.00 examples/s]", Said()),
        ("model.safetensors:  38%|███▊      | 380M/1.0G [00:10<00:16, 38.0MB/s]", Said()),
        ("step 3 of the set-up: installing torch", Said()),
        ("4 packets transmitted, packet loss 25", Said()),
        ("loss of the connection to 10.0.0.1", Said()),
        ("", Said()),
    ],
)  # fmt: skip
def test_the_usual_forms(line: str, said: Said) -> None:
    found = LineReader(None).read(line)
    assert found.step == said.step
    for name in ("loss", "steps_per_s", "tokens_per_s", "epoch"):
        assert getattr(found, name) == pytest.approx(getattr(said, name)), name


def test_a_loss_that_is_no_number_is_read() -> None:
    loss = LineReader(None).read("step 7 loss nan").loss
    assert loss is not None
    assert math.isnan(loss)


def test_own_expressions_replace_the_usual_forms() -> None:
    own = LineReader(StepForms(step=r"\[(\d+)\]", rate=r"speed=(\S+)"))
    assert own.read("[1,204] speed=2.5 loss 3.0") == Said(None, None, 2.5)
    assert own.read("[1204] speed=2.5 loss 3.0") == Said(1204, None, 2.5)
    assert own.read("step 8 loss 3.0") == Said()
    assert own.read("[x] speed=fast") == Said()


def test_an_expression_that_would_take_for_ever_is_given_up() -> None:
    own = LineReader(StepForms(step=r"((a|aa)+)$"))
    assert own.why == ""
    assert own.read("a" * 60 + "b") == Said()
    assert own.why.startswith("progress.step takes more than 0.1 s on one line")


def test_what_is_no_expression_is_said() -> None:
    with pytest.raises(UsageError, match="not a regular expression"):
        LineReader(StepForms(step="("))


def test_of_a_line_without_an_end_only_a_whole_bar_is_read() -> None:
    reader = LineReader(None)
    assert reader.read("step 13 loss 2", ended=False) == Said()
    assert reader.read("38it [00:10,  3.80it/s", ended=False) == Said()
    assert reader.read("38it [00:10,  3.80it/s]", ended=False).step == 38


@given(st.text(alphabet="step loss|0123456789%[]/,.it:=<?Epoch\x1b{}'", max_size=300))
def test_no_line_raises(line: str) -> None:
    LineReader(None).read(line)
