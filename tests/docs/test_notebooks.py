"""Issue 14: the notebooks in examples/notebooks run from a fresh kernel; what they promise they assert themselves."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from tests.docs.pages import ROOT

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


class _ThisPython(KernelSpecManager):
    """The kernel of the interpreter that runs the tests, installed or not."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in a fresh kernel, which works in the folder."""
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=_ThisPython())
    NotebookClient(notebook, km=manager, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels find this package, and nothing of the user's."""
    paths = [str(ROOT / part) for part in (".", "server", "client/python", "proto/python")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")  # CI has it
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, tmp_path)
    assert any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    """A change shows what changed; outputs are what running it gives."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


TRAINING = """\
import numpy as np
from pytrainr import epoch_progress, trainr
X = np.random.default_rng(1).random((20, 4, 2))
how = dict(exact=True, learningrate=0.1, hidden_dim=3, numepochs=30, validation=0.2, metrics="mae")
model = trainr(X[:, :, :1], X, **how, epoch_function=epoch_progress())
model
"""


def test_the_progress_bar_in_a_notebook(tmp_path: Path) -> None:
    """Issue 14, number 5: one bar with epoch, loss, metric, rate and time left, and the model as a table below it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(TRAINING)])
    execute(notebook, tmp_path)
    outputs = notebook.cells[0].outputs
    (result,) = (output for output in outputs if output.output_type == "execute_result")
    assert "text/html" in result.data
    if find_spec("ipywidgets"):
        bars = [output.data for output in outputs if output.output_type == "display_data"]
        assert ["application/vnd.jupyter.widget-view+json" in data for data in bars] == [True]
        return
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    last = text[text.rindex("\rtraining") :]
    assert "\n" not in text[text.index("\rtraining") :].rstrip("\n"), "a bar stays in its line"
    for shown in ("30/30", "error=", "validation_loss=", "validation_mae=", "learningrate=0.1", "epoch/s"):
        assert shown in last
