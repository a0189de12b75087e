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
        ("iter 100: loss 2.0512, time 250.12ms, mfu 1.25%", Said(100, 2.0512, 1 / 0.25012)),
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
            Said(10, 9.823412, 1 / 0.8123),
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
        # Keras 2 and 3: a bar as it is redrawn, after the last one, without one, of unknown length
        (" 12/469 [>.............................] - ETA: 5s - loss: 0.5100 - accuracy: 0.8",
         Said(12, 0.51)),
        ("469/469 [==============================] - 2s 4ms/step - loss: 0.21 - accuracy: 0.94 "
         "- val_loss: 0.19 - val_accuracy: 0.95", Said(469, 0.21, 250)),
        ("32/768 [>.............................] - ETA: 0s - acc: 0.71 - loss: 0.6",
         Said(32, 0.6)),
        ("     12/Unknown - 5s 30ms/step - loss: 0.51", Said(12, 0.51, 1 / 0.03)),
        ("?[1m 12/469?[0m ?[32m━?[0m?[37m━━━━━━━━━━━━━━━━━━━?[0m ?[1m5s?[0m 3ms/step - accuracy: "
         "0.1 - loss: 2.3" + "?" * 90, Said(12, 2.3, 1000 / 3)),
        ("1125/1125 ━━━━━━━━━━━━━━━━━━━━ 48s 42ms/step - accuracy: 0.7819 - loss: 0.8428 - "
         "val_accuracy: 0.6223 - val_loss: 1.9228", Said(1125, 0.8428, 1000 / 42)),
        ("333/333 - 2s - 6ms/step - accuracy: 0.0545 - loss: 3.4982", Said(333, 3.4982, 1000 / 6)),
        ("469/469 - 2s - loss: 0.2 - accuracy: 0.9 - 2s/epoch - 4ms/step", Said(469, 0.2, 250)),
        ("Epoch 3/10", Said(epoch=3)),
        ("313/313 ━━━━━━━━━━━━━━━━━━━━ 0s 1ms/step", Said()),  # a prediction
        # PyTorch's examples: mnist, imagenet
        ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.106513", Said(640, 2.106513, epoch=1)),
        ("Train Epoch: 3 [59520/60000 (99%)]\tLoss: 0.01", Said(179520, 0.01, epoch=3)),
        ("Epoch: [1][  10/5005]\tTime  0.512 ( 0.701)\tData  0.000 ( 0.101)\tLoss 6.9324e+00 "
         "(6.9811e+00)\tAcc@1   0.00 (  0.11)", Said(5015, 6.9324, epoch=1)),
        ("Test set: Average loss: 0.0512, Accuracy: 9829/10000 (98%)", Said(None, 0.0512)),
        # fairseq, of its versions before and after 0.9
        ("| epoch 001:    450 / 1891 loss=11.521, nll_loss=10.881, ppl=1886.05, wps=52922, ups=0.5,"
         " wpb=104928, bsz=5325, num_updates=445, lr=8.90889e-05, oom=0, wall=882",
         Said(445, 11.521, 0.5, 52922, 1)),
        ("2020-04-02 10:11:12 | INFO | train_inner | epoch 002:    100 / 1000 loss=9.1, ppl=548, "
         "wps=1276.4, ups=2.44, wpb=422, bsz=17, num_updates=1100, lr=0.05",
         Said(1100, 9.1, 2.44, 1276.4, 2)),
        ("| epoch 001 | valid on 'valid' subset | valid_loss 8.1 | valid_nll_loss 6.8 | num_updates"
         " 600", Said()),
        ("| INFO | valid | epoch 001 | valid on 'valid' subset | loss 8.1 | ppl 118.06", Said()),
        # DeepSpeed's pipeline engine and its reports
        ("steps: 100 loss: 0.0585 iter time (s): 0.186 samples/sec: 53.694 ",
         Said(100, 0.0585, 1 / 0.186)),
        ("[2022-03-11 02:06:58,985] [INFO] [logging.py:69:log_dist] [Rank 0] step=40, skipped=2, "
         "lr=[5e-05], mom=[[0.9, 0.999]]", Said(40)),
        ("[INFO] [timer.py:199:stop] epoch=0/micro_step=20/global_step=10, "
         "RunningAvgSamplesPerSec=13.2, CurrSamplesPerSec=13.1, MemAllocated=1.2GB",
         Said(10, epoch=0)),
        # inference: vLLM, llama.cpp, mlx_lm
        ("INFO 06-16 10:03:14 [loggers.py:87] Engine 000: Avg prompt throughput: 1254.4 tokens/s, "
         "Avg generation throughput: 29.2 tokens/s, Running: 10 reqs, Waiting: 4 reqs, GPU KV cache"
         " usage: 57.9%, Prefix cache hit rate: 40.5%", Said(None, None, None, 29.2)),
        ("SpecDecoding metrics: Mean acceptance length: 2.63, Accepted throughput: 76.80 tokens/s, "
         "Drafted throughput: 235.49 tokens/s, Accepted: 768 tokens, Drafted: 2355", Said()),
        ("slot print_timing: id  0 | task 382 | prompt eval time =   12330.04 ms /   286 tokens ( "
         "  43.11 ms per token,    23.20 tokens per second)", Said()),
        ("slot print_timing: id  2 | task 10 | generation, n_tokens =    128, t =   4.10 s / 31.22 "
         "tokens per second", Said(None, None, None, 31.22)),
        ("slot print_timing: id 0 | task 0 | n_gen = 628, tg = 208.95 t/s",
         Said(None, None, None, 208.95)),
        ("Prompt: 10 tokens, 120.5 tokens-per-sec", Said()),
        ("Generation: 100 tokens, 31.5 tokens-per-sec", Said(None, None, None, 31.5)),
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
        ("retrying 12/469 - 5s left", Said()),
        ("copied 12/469 files - ETA: 5s", Said()),
        ("Epoch 3/10 begins", Said()),
        ("waiting for step=40 of the server", Said()),
        ("time per step (s) unknown", Said()),
        ("backups=3, groups=2", Said()),
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


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        # uvicorn, vLLM and SGLang
        ('INFO:     127.0.0.1:51234 - "POST /v1/completions HTTP/1.1" 200 OK', True),
        ('INFO:     127.0.0.1:51234 - "GET /health HTTP/1.1" 200 OK', False),
        ('INFO:     127.0.0.1:51234 - "GET /v1/health/ready?verbose=1 HTTP/1.1" 503', False),
        ('INFO:     127.0.0.1:51234 - "GET /healthy-food HTTP/1.1" 200 OK', True),
        # the common log format: gunicorn, nginx, and Python's own http.server and Flask
        ('10.0.0.7 - - [10/Oct/2026:13:55:36 +0000] "GET / HTTP/1.0" 404 169 "-" "curl"', True),
        ('10.0.0.7 - - [10/Oct/2026 13:55:36] "GET /metrics HTTP/1.1" 200 -', False),
        # llama.cpp's server, older and newer
        ("srv  log_server_r: request: POST /completion 127.0.0.1 200", True),
        ("srv  log_server_r: done request: POST /v1/chat/completions 127.0.0.1 200", True),
        ("srv  log_server_r: request: GET /health 127.0.0.1 200", False),
        # gin, of Ollama
        ('[GIN] 2026/05/01 - 12:00:00 | 200 |  1.2s |  127.0.0.1 | POST     "/api/chat"', True),
        # what only looks like one
        ("sending request: POST /completion", False),
        ('proxy: "POST /v1/completions HTTP/1.1" is refused', False),
        (f" 50%|{HALF}| 50/100 [00:10<00:10,  5.00it/s]", False),
    ],
)
def test_requests_that_were_answered(line: str, is_one: bool) -> None:
    found = LineReader(None).read(line)
    assert found.request is is_one
    if is_one:
        assert found == Said(request=True)
    assert LineReader(None).read(line, ended=False).request is False


@pytest.mark.parametrize(
    ("line", "per_s"),
    [
        ("served 1,204 requests, 12.3 req/s", 12.3),
        ("requests/s: 4.5", 4.5),
        ("requests per second = 7", 7.0),
        ("throughput 3.2 requests per sec, 251 tok/s", 3.2),
        ("4 requests in 2 s", None),
    ],
)
def test_a_rate_of_requests_that_is_told(line: str, per_s: float | None) -> None:
    assert LineReader(None).read(line).requests_per_s == per_s


def test_an_own_expression_counts_requests() -> None:
    own = LineReader(StepForms(requests=r"served=([\d,]+)"))
    assert own.read("served=1,204 in all") == Said(requests=1204)
    assert own.read('"POST / HTTP/1.1" 200') == Said()


@given(st.text(alphabet="step loss|0123456789%[]/,.it:=<?Epoch\x1b{}'", max_size=300))
def test_no_line_raises(line: str) -> None:
    LineReader(None).read(line)
