"""Issue 14, number 7: the pages' examples in R run against a server; scripts of rnn with the one line changed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, pages_with
from tests.r_client.r import R, has_package, what_is_missing

REFERENCE = "docs/r/"  # the manual's pages; R CMD check leaves out what needs a server
EXAMPLES = "## Examples"
PAGES = [] if what_is_missing() else [page for page in pages_with("r") if not page.startswith(REFERENCE)]


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, r: R, tmp_path: Path) -> None:
    code = "\n".join(block.code for block in blocks(ROOT / page, "r") if not block.why_not)
    code = code.replace("library(rnn)\n", "library(rnnremote)\n")
    ended = r.run(f'setwd("{tmp_path}"); pdf(NULL)\n{code}\ncat("ran to its end")', seconds=300)
    assert ended.endswith("ran to its end")


GIVEN = """
set.seed(1)
X <- array(runif(40 * 24 * 2), dim = c(40, 24, 2))
Y <- X[, , 1, drop = FALSE]
measurements <- matrix(runif(20), 10)
write.table(X[1, , ], "X.csv", sep = ",", row.names = FALSE, col.names = FALSE)
model <- trainr(Y, X, learningrate = 0.1, epoch_function = NULL)
model_store(model, "adder")
model_alias("models/adder", "prod")
"""
GIVEN_BESIDES = {
    "layers": "Y <- array(runif(40), dim = c(40, 1, 1))",
    "simulate.trainr_series": "model <- trainr_series(nottem, exact = TRUE, learningrate = 0.01, numepochs = 5)",
}
"""What the manual's examples take as given, in R: on all its pages, and on one."""
NEEDED = {"crosscheck_record": "rnn"}  # an R package without which a page has nothing to show


@pytest.mark.skipif(bool(what_is_missing()), reason=f"missing: {what_is_missing()}")
def test_examples_of_the_manual(r: R, tmp_path: Path) -> None:
    """All pages of docs/r, each with what its examples take as given; a server that they name is that of the tests."""
    here = {
        "trainr.example.org:7272": r.address,
        'token = "..."': f'token = "{r.token}"',
        '"authority.pem"': f'"{r.authority}"',
        "trainr_server()": f'trainr_server(tempfile("server"), "{sys.executable}")',
    }
    code = f'library(rnnremote); setwd("{tmp_path}"); pdf(NULL)\n'
    for page in pages_with("r"):
        needed = NEEDED.get(Path(page).stem)
        if not page.startswith(REFERENCE) or (needed and not has_package(needed)):
            continue
        first = (ROOT / page).read_text().partition(EXAMPLES)[0].count("\n")
        examples = "\n".join(block.code for block in blocks(ROOT / page, "r") if block.line > first)
        for words, ours in here.items():
            examples = examples.replace(words, ours)
        given = GIVEN + GIVEN_BESIDES.get(Path(page).stem, "")
        code += f'cat("{page}\\n"); local({{\n{given}\n{examples}\ntrainr_server_stop()\n}})\n'
    script = tmp_path / "examples.R"
    script.write_text(f'{code}cat("ran to its end")')
    assert r.finish(r.start(str(script)), seconds=600).endswith("ran to its end")
