"""The kernels of the batch: this very Python, whatever kernels the machine has registered."""

from __future__ import annotations

import sys

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

NAME = "retention-kit"


class _OwnSpec(KernelSpecManager):
    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        if kernel_name != NAME:
            return super().get_kernel_spec(kernel_name)
        # What a kernel says to its terminal is not the user's concern; what fails comes back in the notebook.
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=CRITICAL"]
        return KernelSpec(argv=command, display_name=NAME, language="python")


class KernelManager(AsyncKernelManager):
    """Starts a kernel without a kernelspec on the user's machine."""

    @default("kernel_spec_manager")
    def _own_spec(self) -> KernelSpecManager:
        return _OwnSpec(parent=self)
